"""avsync score and demo."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.options import Backbone, Features, Level, Reading, Trim, Weights
from avsync.progress import bar

if TYPE_CHECKING:
    from avsync.detector import Detector
    from avsync.score.verdict import Verdict

# What a folder is searched for; a file that is named itself is tried whatever its suffix.
VIDEO_SUFFIXES = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv")


def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Videos, folders of videos, or patterns.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report: .json, .csv or .html.")
    ] = None,
    weights: Weights = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    level: Level = 0.05,
) -> None:
    """Judge videos. Exit status: 0 all judged, 1 some could not be judged or read, 2 wrong usage."""
    from avsync.detector import Detector
    from avsync.report import print_table, print_verdict, renderer, to_json, write_report

    if output is not None:
        renderer(output)  # a name that cannot be written is said before the work, not after
    verdicts = []
    detector = Detector(weights, backbone=backbone, reading=reading, features=features, trim=trim, level=level)
    for verdict in _score_all(_inputs(files), detector):
        verdicts.append(verdict)
        if not as_json:
            print_verdict(verdict)
    if output is not None:
        write_report(verdicts, output)
    if as_json:
        print(to_json(verdicts), end="", flush=True)
    elif any(verdict.tracks for verdict in verdicts):
        print_table(verdicts)
    _exit(verdicts)


def demo(
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the clips in this folder.")] = None,
) -> None:
    """Make two clips, one of them dubbed; judge both."""
    from tempfile import TemporaryDirectory

    from avsync.demo import make_clips
    from avsync.detector import Detector
    from avsync.report import print_table, print_verdict

    with TemporaryDirectory(prefix="avsync-") as temporary:
        in_sync, dubbed = make_clips(folder or Path(temporary))
        verdicts = []
        for verdict in _score_all([in_sync, dubbed], Detector()):
            verdicts.append(replace(verdict, path=Path(verdict.path).name))
            print_verdict(verdicts[-1])
    print_table(verdicts)
    _exit(verdicts)
    own, other = (verdict.tracks[0].aspects["speech"] for verdict in verdicts)
    print("Both clips show the same lips; the first is heard with the speech that moved them, the second with another.")
    print(f"Lips fit as badly in {own:.0%} of real clips for the first, in {other:.1%} for the second (p lips).")


def _inputs(names: Iterable[str]) -> list[Path]:
    """The files that are meant, each once. A name that stands for none is kept, so that its verdict says so."""
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
    except OSError:  # no permission to look, or a name too long: the detector says so
        return False


def _score_all(paths: list[Path], detector: "Detector") -> "Iterator[Verdict]":
    """A verdict for each path; the progress bar is gone whenever one is handed out."""
    progress = bar()
    task = progress.add_task("scoring", total=len(paths))
    for path in paths:
        with progress:
            verdict = detector.score(path)
            progress.advance(task)
        yield replace(verdict, detail="no video file in this folder") if _is_folder(path) else verdict


def _exit(verdicts: "list[Verdict]") -> None:
    if any(verdict.verdict == "cannot_judge" for verdict in verdicts):
        raise typer.Exit(1)
