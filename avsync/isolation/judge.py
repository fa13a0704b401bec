"""What a worker of `IsolatedDetector` does: it makes one detector, and judges one file after another."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsync.engine import Answer, Held, Telling, Work

if TYPE_CHECKING:
    from avsync.score.verdict import Verdict

_PATHS = ("weights", "features")  # options of the detector that are paths
_FACTS = ("model", "weights_sha256", "calibration_sha256", "checks", "readings")  # what is told of the detector


@dataclass(frozen=True, slots=True)
class FileToJudge:
    """A file, the sound file beside it if there is one, and what its verdict shall have for the report."""

    path: str
    audio: str | None
    keep: tuple[str, ...]


def make_judge(factory: str, options: dict[str, Any]) -> Work:
    """Make the detector that `factory` names as "module:name".

    Raises:
        UsageError: the options do not make one.
    """
    module, _, name = factory.partition(":")
    given = {key: Path(value) if key in _PATHS and value is not None else value for key, value in options.items()}
    return _Judge(getattr(import_module(module), name)(**given))


def read_verdict(data: dict[str, Any], _arrays: Held) -> "Verdict":
    """The verdict that a worker sent.

    Raises:
        ValueError: it is none.
    """
    # numpy takes a while, in which the first worker has begun already
    from avsync.score.figures import Figures
    from avsync.score.verdict import Verdict

    drawn = None if data["figures"] is None else Figures.from_dict(data["figures"])
    return replace(Verdict.from_dict(data["verdict"]), figures=drawn)


class _Judge:
    """A detector as `Work`."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self.facts = {name: getattr(detector, name) for name in _FACTS}

    def __call__(self, file: FileToJudge, tell: Telling) -> Iterator[Answer]:
        tell.length_of(file.path)
        beside = {} if file.audio is None else {"audio": Path(file.audio)}
        verdict = self._detector.score(Path(file.path), **beside, keep=file.keep, on_progress=tell.progress)
        figures = None if verdict.figures is None else verdict.figures.to_dict()
        yield {"verdict": verdict.to_dict(), "figures": figures}, {}
