"""The detector of avsync evaluate: in this process, or one in each process of an engine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avsync.detector import Detector
    from avsync.evaluate import Settings
    from avsync.evaluate.run import Judge, JudgeEach
    from avsync.isolation import Facts


@dataclass(frozen=True, slots=True)
class Side:
    """How clips are judged side by side.

    Attributes:
        engine: its name.
        jobs: how many.
        timeout, max_memory: what a clip may take (s, MB), as `IsolatedDetector`.
    """

    engine: str
    jobs: int
    timeout: float | None
    max_memory: int


def side_by_side(engine: str | None, jobs: int | None, timeout: float | None, max_memory: int) -> Side | None:
    """Return how clips are judged side by side; None: one after another in this process, unless an option says more."""
    if engine is None and jobs is None and timeout is None:
        return None
    return Side(engine or "local", jobs or 1, timeout, max_memory)


@contextmanager
def judging(options: Mapping[str, Any], side: Side | None) -> "Iterator[tuple[Judge | JudgeEach, Settings]]":
    """Yield what judges clips, with the options of `Detector`, and what makes its verdicts comparable.

    Raises:
        UsageError: the options do not make a detector, or there is no such engine.
    """
    if side is None:
        from avsync.detector import Detector

        detector = Detector(**options)
        yield detector.score, settings_of(detector, options)
        return
    from avsync.engine import open_engine
    from avsync.isolation import IsolatedDetector

    engine = open_engine(side.engine)
    with IsolatedDetector(
        jobs=side.jobs, timeout=side.timeout, max_memory=side.max_memory, engine=engine, **options
    ) as isolated:
        yield isolated, settings_of(isolated.facts, options)


def settings_of(detector: "Detector | Facts", options: Mapping[str, Any]) -> "Settings":
    """Return what makes the verdicts of a detector comparable; `options` are those that it was made with."""
    from avsync.evaluate import Settings

    made_with = (options["trim"], options["faces"], options["level"], detector.calibration_sha256)
    return Settings(detector.model, detector.weights_sha256, detector.checks, *made_with)
