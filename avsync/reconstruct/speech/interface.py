"""What every reconstruction is."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Takes speech, float32 [N] at 16 kHz, and draws; returns float32 [N], aligned to the sample (`load_reconstruction`).
Rebuild = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
