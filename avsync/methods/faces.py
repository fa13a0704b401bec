"""What has been seen of a file's faces, to say why none can be judged."""

import numpy as np
from numpy.typing import NDArray

from avsync.errors import CannotJudge, Reason
from avsync.media import FPS
from avsync.score.windows import SHORTEST

# A face box narrower than this shows a mouth of about 14 pixels: too few to read lips from.
_MIN_FACE = 40


class Faces:
    """Keeps count of the stretches of faces that a file shows."""

    def __init__(self) -> None:
        self._longest, self._widest = 0, 0.0

    def add(self, frames: int, box: NDArray[np.float64]) -> bool:
        """Count a stretch of one face, in its median box [4]; whether it is large enough to be judged."""
        width = float(box[2] - box[0])
        self._longest, self._widest = max(self._longest, frames), max(self._widest, width)
        return width >= _MIN_FACE

    def refusal(self) -> CannotJudge:
        """Why no face could be judged."""
        if not self._longest:
            return CannotJudge(Reason.NO_FACE, "no face is seen while somebody speaks")
        if self._widest < _MIN_FACE:
            detail = f"the face is {self._widest:.0f} pixels wide; {_MIN_FACE} are needed"
            return CannotJudge(Reason.LOW_RESOLUTION, detail)
        if self._longest < SHORTEST:
            detail = f"a face is seen for {self._longest / FPS:.1f} s of speech; {SHORTEST / FPS:.1f} s are needed"
            return CannotJudge(Reason.TOO_SHORT, detail)
        return CannotJudge(Reason.NO_SPEECH, "less than half a second of speech is heard while a face is seen")
