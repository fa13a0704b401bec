"""The kinds of reconstruction, in one registry, and what holds for all of them. Importing it imports nothing heavy.

To add a kind, write a function and add its line here; `docs/adding.md` shows how.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError

Family = Literal["phase", "mel", "world", "lpc", "sinusoidal"]
Rebuild = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]

# Speech is mirrored by so many samples at both ends, and at least one step of analysis (128 ms) stays outside of it.
# The rng adds up to one step, so that frames do not begin at the same place in every file.
_MARGIN, _STEP = 2048, 512
_LEVEL = 0.1  # root mean square of what methods get


@dataclass(frozen=True)
class Reconstruction:
    """One kind of reconstruction.

    Attributes:
        name: as configs and results call it.
        family: kinds of a family share their method; validation leaves out whole families.
        function: "module:function"; a module that begins with a dot is one of this package. The function takes
            `waveform: float32 [N]` at 16 kHz, with a mean of zero and N at least 4096, and `rng`, which draws its
            settings. It returns float32 or float64 [N], sample n at the time of sample n. Loudness is not its concern.
        source: the paper.
    """

    name: str
    family: Family
    function: str
    source: str

    def load(self) -> Rebuild:
        """Import the function."""
        module, _, name = self.function.partition(":")
        found: Rebuild = getattr(import_module(module, __package__), name)
        return found


RECONSTRUCTIONS: dict[str, Reconstruction] = {
    kind.name: kind
    for kind in (
        Reconstruction("griffin_lim", "phase", ".spectral:griffin_lim", "Griffin & Lim 1984, Perraudin et al. 2013"),
        Reconstruction("mel_inversion", "mel", ".spectral:mel_inversion", "a mel spectrogram, then griffin_lim"),
        Reconstruction("world", "world", ".world:world", "Morise et al. 2016, IEICE E99-D"),
        Reconstruction("world_coded", "world", ".world:world_coded", "WORLD with coded parameters"),
        Reconstruction("lpc", "lpc", ".lpc:vocoder", "Makhoul 1975; mixed excitation, McCree & Barnwell 1995"),
        Reconstruction("lpc_residual", "lpc", ".lpc:residual_coder", "regular pulses, Kroon et al. 1986"),
        Reconstruction("sinusoidal", "sinusoidal", ".sinusoidal:sinusoidal", "McAulay & Quatieri 1986"),
        Reconstruction("harmonic_noise", "sinusoidal", ".sinusoidal:harmonic_noise", "Stylianou 2001"),
    )
}


def reconstruct(waveform: NDArray[np.float32], name: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return speech taken apart and put together again; arguments and errors as in `load_reconstruction`."""
    return load_reconstruction(name)(waveform, rng)


def load_reconstruction(name: str, device: str = "cpu") -> Rebuild:
    """Return the function of a reconstruction, ready to use.

    It takes float32 [N] at 16 kHz, finite, and an rng, and returns float32 [N]: aligned to the sample, with the same
    mean, the same level (root mean square) and the same long-term average spectrum. If that would take it beyond full
    scale and beyond the loudest sample of the input, it is made quieter instead of being clipped. The rng draws
    resolution and settings, so that one name covers many. Sound that does not change comes back as it is.

    Args:
        name: a key of `RECONSTRUCTIONS`.
        device: where networks run: cpu, cuda or cuda:N. The kinds of `RECONSTRUCTIONS` run on the CPU.

    Raises:
        UsageError: not such a name, or a package or weights that are missing.
    """
    if name not in RECONSTRUCTIONS:
        raise UsageError(f"'{name}': not a reconstruction; choose from {', '.join(RECONSTRUCTIONS)}")
    return _framed(RECONSTRUCTIONS[name].load())


def _framed(rebuild: Rebuild) -> Rebuild:
    """Give a function the promises of `load_reconstruction`."""
    from avsync.reconstruct.speech.level import equalised, level

    def framed(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        mean = waveform.mean(dtype=np.float64) if len(waveform) else 0.0
        changes = (waveform - mean).astype(np.float32)
        loudness = level(changes)
        if loudness <= abs(mean) * 1e-6:
            return waveform.astype(np.float32)
        before, after = _MARGIN + rng.integers(_STEP, size=2)
        # Methods have noise floors and tolerances of their own: all get the same level.
        usual = np.pad(changes * np.float32(_LEVEL / loudness), (before, after), mode="reflect")
        whole = equalised(np.asarray(rebuild(usual, rng), np.float32), usual)
        rebuilt = whole[before : before + len(waveform)].astype(np.float64)
        rebuilt -= rebuilt.mean()
        louder = rebuilt * (loudness / max(level(rebuilt), 1e-30)) + mean
        beyond = float(np.abs(louder).max()) / max(1.0, float(np.abs(waveform).max()))
        return (louder / max(1.0, beyond)).astype(np.float32)

    return framed
