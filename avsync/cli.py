"""The command line: one short function per verb; whatever is heavy is imported inside the verb."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsync.errors import AvsyncError, UsageError

if TYPE_CHECKING:
    from io import TextIOWrapper

    from rich.progress import Progress

    from avsync.datasets import ClipRecord
    from avsync.detector import Detector
    from avsync.score.verdict import Verdict

# What a folder is searched for; a file that is named itself is tried whatever its suffix.
VIDEO_SUFFIXES = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv")
INTERRUPTED = 130

app = typer.Typer(
    help="Do lips and speech go together as in real video? Deepfake detection learned from real clips only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
evaluate_app = typer.Typer(
    help="Measure how well fakes are told from real clips.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(evaluate_app, name="evaluate")

Weights = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, metavar="FILE", help="A checkpoint (.safetensors) instead of the built-in one."
    ),
]
Trim = Annotated[
    Literal["default", "paper", "none"],
    typer.Option(
        help="What silence is left out: all around the speech, digital silence at the start as in AVH-Align, none."
    ),
]
Level = Annotated[float, typer.Option(help="Share of real clips that may be called suspicious, between 0 and 1.")]


def main() -> None:
    """Run the command line: 0 done, 1 some file could not be judged, 2 wrong usage, 130 interrupted."""
    if TYPE_CHECKING:
        assert isinstance(sys.stdout, TextIOWrapper)
    # A file name that the terminal's encoding lacks is no reason to fail.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (AvsyncError, OSError) as error:  # of OSError: a full disk, a folder without permission
        from avsync.report.wording import printable

        print(f"avsync: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as status:
        if status.code == INTERRUPTED:
            print("avsync: interrupted", file=sys.stderr)
        raise


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"avsync {version('avsync')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Videos, folders of videos, or patterns.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a report: .json, .csv or .html.")
    ] = None,
    weights: Weights = None,
    trim: Trim = "default",
    level: Level = 0.05,
) -> None:
    """Judge videos. Exit status: 0 all judged, 1 some could not be judged or read, 2 wrong usage."""
    from avsync.detector import Detector
    from avsync.report import print_table, print_verdict, renderer, to_json, write_report

    if output is not None:
        renderer(output)  # a name that cannot be written is said before the work, not after
    verdicts = []
    for verdict in _score_all(_inputs(files), Detector(weights, trim=trim, level=level)):
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


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/default.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as data.root=DIR.")
    ] = None,
) -> None:
    """Train a model on real videos laid out as VoxCeleb2."""
    from avsync.config import load_config

    try:
        from avsync.train import train as run
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs the package '{error.name}': pip install 'avsync[train]'") from error
    run(load_config(config, overrides or []))


@app.command()
def calibrate(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT", help="Trees of VoxCeleb2 or FakeAVCeleb.")],
    weights: Weights = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The calibrated checkpoint.")] = Path(
        "calibrated.safetensors"
    ),
) -> None:
    """Fit a model's reference of real clips."""
    from avsync.calibrate import calibrate as run
    from avsync.detector import EMBEDDED

    with _counting("calibrating") as hook:
        reference = run(roots, weights or EMBEDDED, output, hook)
    counts = ", ".join(f"{n:.0f} of {s:g} s" for s, n in zip(reference.seconds, reference.people, strict=True))
    print(f"{output}: people with real windows: {counts}")


@evaluate_app.command()
def fakeavceleb(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder FakeAVCeleb or FakeAVCeleb_v1.2.")],
    split: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Only the clips of a table source,category,full_path.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where results are kept; run again to go on after a stop.")
    ] = Path("evaluation"),
    identities: Annotated[
        Literal["all", "8-f"],
        typer.Option(help="All people, or those whose id's first hex digit keeps them out of calibration."),
    ] = "all",
    weights: Weights = None,
    trim: Trim = "default",
    level: Level = 0.05,
) -> None:
    """Evaluate on FakeAVCeleb, or on a data set laid out like it."""
    from avsync.datasets.fakeavceleb import records
    from avsync.detector import Detector
    from avsync.evaluate import Settings, evaluate, print_summary

    clips = records(root, split)
    if identities == "8-f":
        clips = [clip for clip in clips if _reserved_for_reporting(clip)]
    detector = Detector(weights, trim=trim, level=level)
    settings = Settings(detector.model, detector.weights_sha256, trim, level)
    with _counting("evaluating") as hook:
        summary = evaluate(clips, detector.score, output, settings=settings, hook=hook)
    print_summary(summary)


@app.command()
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
    progress = _progress()
    task = progress.add_task("scoring", total=len(paths))
    for path in paths:
        with progress:
            verdict = detector.score(path)
            progress.advance(task)
        yield replace(verdict, detail="no video file in this folder") if _is_folder(path) else verdict


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what is told how many clips are done, and of how many."""
    with _progress() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _progress() -> "Progress":
    """A bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    quiet = not sys.stderr.isatty()
    console = Console(stderr=True, quiet=quiet)
    return Progress(console=console, transient=True, redirect_stdout=False, disable=quiet)


def _reserved_for_reporting(clip: "ClipRecord") -> bool:
    return clip.identity.lower().removeprefix("id")[:1] in set("89abcdef")


def _exit(verdicts: "list[Verdict]") -> None:
    if any(verdict.verdict == "cannot_judge" for verdict in verdicts):
        raise typer.Exit(1)
