"""avsync score."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.options import Backbone, Checks, Device, Faces, Features, Level, Reading, Trim, Weights
from avsync.progress import bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from avsync.detector import Detector
    from avsync.score.verdict import Verdict

# A folder is searched for these; a file that is named itself is tried with any suffix.
VIDEO_SUFFIXES = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv")


def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Videos, folders of videos, or patterns.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report: .json, .csv or .html.")
    ] = None,
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
) -> None:
    """Judge recordings. Exit status: 0 all judged, 1 some could not be judged or read, 2 wrong usage."""
    from avsync.detector import Detector
    from avsync.report import print_table, print_verdict, renderer, to_json, write_report

    if output is not None:
        renderer(output)  # refuse a wrong name before the work, not after
    detector = Detector(
        weights,
        checks=checks,
        backbone=backbone,
        reading=reading,
        features=features,
        trim=trim,
        faces=faces,
        level=level,
        device=device,
    )
    verdicts = []
    for verdict in score_files(_inputs(files), detector):
        verdicts.append(verdict)
        if not as_json:
            print_verdict(verdict)
    if output is not None:
        write_report(verdicts, output)
    if as_json:
        print(to_json(verdicts), end="", flush=True)
    elif any(verdict.verdict != "cannot_judge" for verdict in verdicts):
        print_table(verdicts)
    exit_with(verdicts)


def score_files(paths: Sequence[Path], detector: "Detector") -> "Iterator[Verdict]":
    """Yield a verdict for each path. The progress bar disappears before a verdict is yielded."""
    progress = bar()
    task = progress.add_task("scoring", total=len(paths))
    for done, path in enumerate(paths):
        progress.update(task, completed=done, description=f"scoring {done + 1}/{len(paths)}")
        with progress:
            verdict = detector.score(path, on_progress=_shown(progress, task, done, len(paths)))
        yield _no_videos(verdict) if _is_folder(path) else verdict


def exit_with(verdicts: "Iterable[Verdict]") -> None:
    """End with status 1 if a file could not be judged."""
    if any(verdict.verdict == "cannot_judge" for verdict in verdicts):
        raise typer.Exit(1)


def _shown(progress: "Progress", task: "TaskID", done: int, count: int) -> Callable[[float, float], None]:
    """Return a callback `update(seconds, total)` that shows how much of a file is read, after `done` of `count`."""

    def update(seconds: float, total: float) -> None:
        share = min(1.0, seconds / total) if total > 0 else 0.0
        words = f"scoring {done + 1}/{count}, {seconds:.0f}/{total:.0f} s"
        progress.update(task, completed=done + share, description=words)

    return update


def _inputs(names: Iterable[str]) -> list[Path]:
    """Return the files to score, each once. A name that matches nothing is kept, so that its verdict says so."""
    from glob import escape, glob

    found: list[Path] = []
    for name in names:
        # A name with brackets may be a file's own. Path.glob takes no absolute patterns, and fails on strange ones.
        hits = glob(escape(name)) or sorted(glob(name, recursive=True))  # noqa: PTH207
        for path in map(Path, hits or [name]):
            found += (_videos(path) or [path]) if _is_folder(path) else [path]
    return list(dict.fromkeys(found))


def _videos(folder: Path) -> list[Path]:
    candidates = (path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted(path for path in candidates if not path.name.startswith(".") and not _is_folder(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission to look, or a name too long: the detector reports it
        return False


def _no_videos(verdict: "Verdict") -> "Verdict":
    """Return the verdict on a folder with the true reason: it has no videos."""
    detail = "no video file in this folder"
    checks = {name: replace(check, detail=detail) for name, check in verdict.checks.items()}
    return replace(verdict, detail=detail, checks=checks)
