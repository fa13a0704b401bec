"""The kinds of reconstruction of faces, in one registry. Importing it imports nothing heavy.

To add a kind, write a function and add its line to `FACE_RECONSTRUCTIONS`; `docs/adding.md` shows how. Networks whose
weights are files are in `NETWORKS`.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from avsync.errors import UsageError
from avsync.files import sha256_of
from avsync.reconstruct.face.interface import REGIONS, RebuildFace, Region

Family = Literal["blend", "resolution", "texture", "time", "timing", "network"]


@dataclass(frozen=True)
class FaceReconstruction:
    """One kind of reconstruction.

    Attributes:
        name: as configs and results call it.
        family: kinds of a family share their method; validation leaves out whole families.
        function: "module:function"; a module that begins with a dot is one of this package. The function takes
            `footage: FaceFootage` and `rng`, which draws its settings. It returns uint8 or float32 (0 to 255)
            [T, S, S, 3]: a face that fits over that of the footage. Blending, colour and noise are no concern of it
            (`avsync.reconstruct.face.rebuild`).
        source: the paper, or what is done.
        regions: what may be blended in; one is drawn.
        frames: consecutive pictures it needs to change anything: 1 for kinds of single pictures.
    """

    name: str
    family: Family
    function: str
    source: str
    regions: tuple[Region, ...] = REGIONS
    frames: int = 1


FACE_RECONSTRUCTIONS: dict[str, FaceReconstruction] = {
    kind.name: kind
    for kind in (
        # Without the mouth: its edge is close to the lips. If they are moved, their corners are seen twice.
        FaceReconstruction(
            "self_blended",
            "blend",
            ".self_blended:self_blended",
            "Shiohara & Yamasaki, CVPR 2022",
            ("lower_face", "face", "hull"),
        ),
        FaceReconstruction(
            "low_resolution", "resolution", ".low_resolution:low_resolution", "made small and large again"
        ),
        FaceReconstruction(
            "carried_texture",
            "texture",
            ".carried_texture:carried_texture",
            "the skin of one picture, carried by landmarks (Bookstein 1989)",
            frames=2,
        ),
        FaceReconstruction("smoothed", "time", ".over_time:smoothed", "averaged over neighbouring pictures", frames=2),
        FaceReconstruction(
            "interpolated",
            "time",
            ".over_time:interpolated",
            "one of two to four pictures kept, morphs between",
            frames=3,
        ),
        FaceReconstruction(
            "flicker", "time", ".over_time:flicker", "light and place of each picture changed", frames=2
        ),
        FaceReconstruction(
            "retimed_mouth",
            "timing",
            ".retimed_mouth:retimed_mouth",
            "the mouth of the same words, up to 0.3 s earlier or later",
            ("mouth", "lower_face"),
            frames=10,
        ),
    )
}

# KIND:SOURCE is a network. "module:function" takes the source and a device (both str) and returns a function like those
# of `FACE_RECONSTRUCTIONS`; it raises UsageError where weights or packages are missing.
NETWORKS: dict[str, str] = {
    "autoencoder": "avsync.reconstruct.autoencoder.load:load_autoencoder",
    "hub": ".hub:load_hub",
}


def load_face_reconstruction(name: str, device: str = "cpu") -> RebuildFace:
    """Return the function of a reconstruction, ready to use (see `FaceReconstruction.function`).

    Args:
        name: a key of `FACE_RECONSTRUCTIONS`; `autoencoder:FILE`, a checkpoint of `avsync train
            configs/face_autoencoder.yaml`; `hub:FOLDER`, a published autoencoder in the format of diffusers.
        device: where networks run: cpu, cuda or cuda:N. All others run on the CPU.

    Raises:
        UsageError: not such a name, or a package or weights that are missing.
    """
    kind, _, source = name.partition(":")
    function: RebuildFace
    if kind in NETWORKS and source:
        function = imported(NETWORKS[kind])(source, device)
    else:
        function = imported(described(name).function)
    return function


def identity(name: str) -> str:
    """What identifies a reconstruction in configs: its name, and the hash of the file where its weights are one.

    Raises:
        UsageError: the file cannot be read.
    """
    kind, _, source = name.partition(":")
    if kind != "autoencoder":
        return name
    try:
        return f"{kind}:{sha256_of(Path(source))}"
    except OSError as error:
        raise UsageError(f"{name}: {source} cannot be read ({error.strerror})") from error


def described(name: str) -> FaceReconstruction:
    """Return what is known of a kind: its row, or that of a network, of the family "network".

    Raises:
        UsageError: not such a name.
    """
    kind, _, source = name.partition(":")
    if kind in NETWORKS and source:
        return FaceReconstruction(name, "network", NETWORKS[kind], "a network")
    if name not in FACE_RECONSTRUCTIONS:
        networks = [f"{network}:SOURCE" for network in NETWORKS]
        known = ", ".join([*FACE_RECONSTRUCTIONS, *networks])
        raise UsageError(f"'{name}': not a reconstruction of faces; choose from {known}")
    return FACE_RECONSTRUCTIONS[name]


def imported(function: str) -> Any:
    """Return "module:function"; a module that begins with a dot is one of this package."""
    module, _, name = function.partition(":")
    return getattr(import_module(module, __package__), name)
