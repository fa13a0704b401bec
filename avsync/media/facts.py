"""What is met while a stream is decoded."""

from dataclasses import dataclass


@dataclass(slots=True)
class StreamFacts:
    """Counts of one pass over a stream.

    Attributes:
        frames: frames that were decoded, in place in time.
        errors: packets that cannot be read or decoded, and frames that the decoder marks as damaged.
        misplaced: frames left out because their times jump out of the recording.
        holes: how often frames are missing in time.
        missing: seconds that are missing in time, in all.
    """

    frames: int = 0
    errors: int = 0
    misplaced: int = 0
    holes: int = 0
    missing: float = 0.0

    @property
    def damaged_share(self) -> float:
        """Share of frames and packets that are damaged or out of place, 0 to 1."""
        damaged = self.errors + self.misplaced
        return damaged / max(1, self.frames + damaged)
