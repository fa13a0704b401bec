"""What avsync raises: one line that says what is wrong and what to do."""

from enum import StrEnum
from pathlib import Path


class Reason(StrEnum):
    """Why a clip cannot be judged."""

    UNREADABLE = "unreadable"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    NO_SPEECH = "no_speech"
    NO_FACE = "no_face"
    LOW_RESOLUTION = "low_resolution"
    POOR_VIEW = "poor_view"
    MUSIC = "music"
    NARROW_BAND = "narrow_band"
    REVERBERANT = "reverberant"
    TOO_SHORT = "too_short"
    LOW_FRAME_RATE = "low_frame_rate"
    DAMAGED = "damaged"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"


class AvsyncError(Exception):
    """Base of every error avsync raises on purpose; its text is one line."""


class CannotJudge(AvsyncError):
    """A clip that avsync refuses to judge, with the typed reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that it can be pickled
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class UsageError(AvsyncError):
    """A wrong option, config or checkpoint: exit status 2 on the command line."""


def unreadable(path: Path, error: OSError) -> CannotJudge:
    """The refusal of a file that the operating system does not let us read."""
    return CannotJudge(Reason.UNREADABLE, f"{path.name} cannot be read ({error.strerror})")
