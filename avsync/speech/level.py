"""How loud speech is, and how it is brought to another level."""

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05  # root mean square that networks learn from and are given
_SILENT = 1e-6  # so that silence is not made louder without bound


def rms(samples: NDArray[np.generic]) -> float:
    """The root mean square of samples, [N]; 0 if there are none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def gain_to(level: float, samples: NDArray[np.generic]) -> float:
    """The factor that brings samples, [N], to a root mean square of `level`."""
    return level / max(rms(samples), _SILENT)
