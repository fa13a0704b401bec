"""What avsync raises: one line that says what is wrong and what to do."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a clip cannot be judged."""

    UNREADABLE = "unreadable"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    NO_SPEECH = "no_speech"
    NO_FACE = "no_face"
    LOW_RESOLUTION = "low_resolution"
    TOO_SHORT = "too_short"


class AvsyncError(Exception):
    """Base of every error avsync raises on purpose; its text is one line."""


class CannotJudge(AvsyncError):
    """A clip that avsync refuses to judge, with the typed reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class UsageError(AvsyncError):
    """A wrong option, config or checkpoint: exit status 2 on the command line."""
