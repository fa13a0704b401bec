"""Short-time Fourier transforms with a Hann window, and overlap-add."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, rfft


@dataclass(frozen=True)
class STFT:
    """A transform and its least-squares inverse (Griffin & Lim 1984, eq. 6).

    Attributes:
        size: samples per frame.
        hop: samples between frames; a divisor of `size`, at most half of it.
    """

    size: int
    hop: int

    @cached_property
    def window(self) -> NDArray[np.float32]:
        """The periodic Hann window, float32 [size]."""
        return hann(self.size).astype(np.float32)

    def forward(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return complex64 [T, size // 2 + 1], T = ceil(N / hop) + 1; row t is centred on sample t · hop."""
        found: NDArray[np.complex64] = rfft(frames(samples, self.size, self.hop) * self.window, axis=1)
        return found

    def inverse(self, spectrum: NDArray[np.complex64], length: int) -> NDArray[np.float32]:
        """Return the float32 [length] whose transform is nearest to a spectrum."""
        pieces = irfft(spectrum, self.size, axis=1) * self.window
        added = overlap_add(pieces, self.hop)
        weight = overlap_add(np.broadcast_to(self.window**2, pieces.shape), self.hop)
        start = self.size // 2
        return np.asarray((added / np.maximum(weight, 1e-3))[start : start + length], np.float32)


def hann(size: int) -> NDArray[np.float64]:
    """The periodic Hann window, float64 [size]: with a hop of half its size, windows add up to one."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size))


def frames(samples: NDArray[np.floating], size: int, hop: int) -> NDArray[np.floating]:
    """Return a view [T, size], T = ceil(N / hop) + 1, of samples with zeros around; row t is centred on t · hop."""
    count = -(-len(samples) // hop) + 1
    padded = np.pad(samples, (size // 2, (count - 1) * hop + size - size // 2 - len(samples)))
    return sliding_window_view(padded, size)[::hop]


def overlap_add(pieces: NDArray[np.floating], hop: int) -> NDArray[np.floating]:
    """Return the sum of pieces [T, size], each `hop` samples after the one before: [(T - 1) · hop + size]."""
    count, size = pieces.shape
    blocks = -(-size // hop)
    padded = np.pad(pieces, ((0, 0), (0, blocks * hop - size))) if size % hop else pieces
    total = np.zeros((count + blocks - 1, hop), pieces.dtype)
    for block in range(blocks):
        total[block : block + count] += padded[:, block * hop : (block + 1) * hop]
    return total.ravel()[: (count - 1) * hop + size]
