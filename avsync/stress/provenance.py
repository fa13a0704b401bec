"""`stress.json`: where every clip of a stress set comes from, and how good it is. It is progress and record in one."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from avsync.errors import UsageError
from avsync.files import write_whole
from avsync.reconstruct.face import REGIONS, Region
from avsync.stress.measures import Quality

FILE, SCHEMA = "stress.json", "avsync.stress/1"
CLIPS = "clips"  # the folder of the clips below that of the set
PURPOSE = "reconstruction made by avsync stress for testing detectors; not a recording"
REAL_PURPOSE = "real clip, encoded again by avsync stress beside its reconstructions"
USE = (
    "This set is for testing detectors. Every reconstruction keeps who speaks and what is said. It is no sample of the "
    "fakes that are met in the wild."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stress set depends on, besides the real clips. A folder is continued only with the same.

    Attributes:
        version: of avsync.
        seed: of all draws.
        clips: how many reconstructions are wanted.
        tries: of how many real clips each is made before it counts as one that could not be had.
        kinds: by the name that results call them, the hash of the weights of a network, or nothing.
        blendings: how they are blended in.
        share: of real clips that keep the bounds.
        records: a hash of the names of the real clips.
    """

    version: str
    seed: int
    clips: int
    tries: int
    kinds: dict[str, str]
    blendings: list[str]
    share: float
    records: str


@dataclass(frozen=True, slots=True)
class Real:
    """A real clip that reconstructions are made of.

    Attributes:
        name: as its data set calls it.
        sha256: the hash of its file.
        identity: who is seen.
        file: its copy in the set.
        start, seconds: which part of it.
        quality: how far it is from itself a moment later, in each part of the face.
        encoded: how near its copy is to it inside the face, PSNR (dB): a reconstruction that is nearer changes nothing.
    """

    name: str
    sha256: str
    identity: str
    file: str
    start: float
    seconds: float
    quality: dict[Region, Quality]
    encoded: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reconstruction that was made, whether it is in the set or not.

    Attributes:
        slot, tried: its place, and how many were made for this place before; with the seed of the set they draw it.
        kind, family, blending, region: how it is made, and which part of the face.
        source: the hash of the real clip.
        quality: beside the real clip; numbers that are not known are None in the file.
        flaw: the largest share of a bound that it takes; the lower the better, at most 1 in the set.
        file: its place in the set; empty if it did not pass.
        failed: why not: names of measures, or `unchanged`.
    """

    slot: int
    tried: int
    kind: str
    family: str
    blending: str
    region: Region
    source: str
    quality: Quality
    flaw: float
    file: str = ""
    failed: tuple[str, ...] = ()


@dataclass
class StressSet:
    """What is known of a stress set so far.

    Attributes:
        settings: what it depends on.
        bounds: what is allowed in each part of the face; None before all real clips were looked at.
        real: the real clips.
        refused: by name of a real clip, why it cannot be used.
        candidates: all that were made.
        complete: nothing is left to do.
    """

    settings: Settings
    bounds: dict[Region, Quality] | None = None
    real: list[Real] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    complete: bool = False

    @property
    def kept(self) -> list[Candidate]:
        """The reconstructions that are in the set, by slot."""
        return sorted((one for one in self.candidates if one.file), key=lambda one: one.slot)

    def save(self, folder: Path) -> None:
        """Write `stress.json`, which appears when it is whole."""
        data = {"schema": SCHEMA, "use": USE, **_plain(asdict(self))}
        write_whole(folder / FILE, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def read_stress_set(folder: Path) -> StressSet | None:
    """Return what `stress.json` in a folder says; None if there is no such file.

    Raises:
        UsageError: it was not written by this version of the format.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(data["schema"])
        bounds = data["bounds"]
        return StressSet(
            settings=Settings(**data["settings"]),
            bounds=None if bounds is None else _by_region(bounds),
            real=[Real(**{**one, "quality": _by_region(one["quality"])}) for one in data["real"]],
            refused=dict(data["refused"]),
            candidates=[_candidate(one) for one in data["candidates"]],
            complete=bool(data["complete"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: not written by this version of avsync stress") from error


def stress_root(files: Iterable[tuple[Path, str]]) -> Path | None:
    """Return the folder of the stress set that clips are of; None if they are of none, or of several folders.

    Args:
        files: the path of each clip, and its name below the folder of its data set.
    """
    roots = {path.parents[len(Path(name).parts) - 1] for path, name in files}
    root = roots.pop() if len(roots) == 1 else None
    return root if root is not None and (root / FILE).is_file() else None


def _candidate(data: dict[str, Any]) -> Candidate:
    flaw = float("inf") if data["flaw"] is None else data["flaw"]
    return Candidate(**{**data, "quality": _quality(data["quality"]), "flaw": flaw, "failed": tuple(data["failed"])})


def _by_region(data: dict[str, Any]) -> dict[Region, Quality]:
    return {region: _quality(data[region]) for region in REGIONS}


def _quality(data: dict[str, float | None]) -> Quality:
    return Quality(**{name: float("nan") if value is None else float(value) for name, value in data.items()})


def _plain(value: Any) -> Any:
    """Numbers that are not finite as None, tuples as lists."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
