"""The kinds of reconstruction, in one registry. Importing it imports nothing heavy.

To add a kind, write a function and add its line to `RECONSTRUCTIONS`; `docs/adding.md` shows how. Networks whose
weights are files are in `NETWORKS`.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.reconstruct.speech.interface import Rebuild

Family = Literal["phase", "mel", "world", "lpc", "sinusoidal"]


@dataclass(frozen=True)
class Reconstruction:
    """One kind of reconstruction.

    Attributes:
        name: as configs and results call it.
        family: kinds of a family share their method; validation leaves out whole families.
        function: "module:function"; a module that begins with a dot is one of this package. The function takes
            `waveform: float32 [N]` at 16 kHz, of mean 0 and level 0.1, N at least 4096, and `rng`, which draws its
            settings. It returns float32 or float64 [N], sample n at the time of sample n. Loudness, long-term spectrum
            and the ends are no concern of it (`avsync.reconstruct.speech.frame`).
        source: the paper.
    """

    name: str
    family: Family
    function: str
    source: str


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

# KIND:SOURCE is a network. "module:function" takes the source and a device (both str) and returns a function like those
# of `RECONSTRUCTIONS`; it raises UsageError where weights or packages are missing.
NETWORKS: dict[str, str] = {
    "hub": ".hub:load_hub",
    "neural": "avsync.reconstruct.neural.load:load_neural",
    "hifigan": "avsync.reconstruct.neural.hifigan:load_hifigan",
}

_FILES = ("neural", "hifigan")  # whose weights are one file


def reconstruct(waveform: NDArray[np.float32], name: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return speech taken apart and put together again; arguments and errors as in `load_reconstruction`."""
    return load_reconstruction(name)(waveform, rng)


def load_reconstruction(name: str, device: str = "cpu") -> Rebuild:
    """Return the function of a reconstruction, ready to use.

    It takes float32 [N] at 16 kHz, finite, and an rng, and returns float32 [N] with the same mean, the same level (root
    mean square) and the same long-term average spectrum. If that would take it beyond full scale and beyond the loudest
    sample of the input, it is made quieter instead of being clipped. Sample n is at the time of sample n; where pulses
    excite a filter (WORLD, LPC), the energy of a period comes up to 5 ms late. The rng draws resolution and settings:
    one name covers many. Sound that does not change comes back as it is.

    Args:
        name: a key of `RECONSTRUCTIONS`; `hub:SOURCE`, a codec or vocoder in the hub's format: a folder or an id;
            `neural:FILE`, a checkpoint of `avsync train configs/vocoder.yaml`; `hifigan:FILE`, a published generator.
        device: where networks run: cpu, cuda or cuda:N. All others run on the CPU.

    Raises:
        UsageError: not such a name, or a package or weights that are missing.
    """
    from avsync.reconstruct.speech.frame import framed

    kind, _, source = name.partition(":")
    if kind in NETWORKS and source:
        return framed(_imported(NETWORKS[kind])(source, device))
    if name not in RECONSTRUCTIONS:
        networks = [f"{network}:SOURCE" for network in NETWORKS]
        known = ", ".join([*RECONSTRUCTIONS, *networks])
        raise UsageError(f"'{name}': not a reconstruction; choose from {known}")
    return framed(_imported(RECONSTRUCTIONS[name].function))


def identity(name: str) -> str:
    """What identifies a reconstruction in caches: its name, and the hash of the file where its weights are one.

    Raises:
        UsageError: the file cannot be read.
    """
    kind, _, source = name.partition(":")
    if kind not in _FILES:
        return name
    try:
        return f"{kind}:{sha256_of(Path(source))}"
    except OSError as error:
        raise UsageError(f"{name}: {source} cannot be read ({error.strerror})") from error


def _imported(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(import_module(module, __package__), name)
