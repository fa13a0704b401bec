"""avsync score."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsync.cli.internal import INTERNAL, tell
from avsync.cli.options import (
    Backbone,
    Checks,
    Device,
    Engine,
    Faces,
    Features,
    Jobs,
    Level,
    MaxMemory,
    Quiet,
    Reading,
    Timeout,
    Trim,
    Verbose,
    Weights,
)
from avsync.cli.printer import VerdictPrinter
from avsync.datasets.sound import SOUND_SUFFIXES
from avsync.datasets.video import VIDEO_SUFFIXES
from avsync.errors import UsageError
from avsync.progress import FilesProgress

if TYPE_CHECKING:
    from avsync.isolation import ForReport, IsolatedDetector
    from avsync.report import PartsStream, ReportStream
    from avsync.score.verdict import Verdict


def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Videos, sound, folders of them, or patterns.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print each verdict as a line of JSON, as soon as it is there.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a report: .jsonl, .csv or .parquet (a folder), which grow with every file, .json or "
            ".html, written at the end.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the .jsonl, .csv or .parquet report of a run that was stopped: files in it that have not "
            "changed are not judged again, nor printed, unless they took too long or too much memory, or crashed.",
        ),
    ] = False,
    embed: Annotated[
        bool,
        typer.Option(
            "--embed", help="Put a small copy of each recording of at most ten minutes into the .html report."
        ),
    ] = False,
    jobs: Jobs = 1,
    engine: Engine = None,
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    weights: Weights = None,
    checks: Checks = None,
    backbone: Backbone = None,
    reading: Reading = None,
    features: Features = None,
    trim: Trim = "default",
    faces: Faces = "dlib",
    level: Level = 0.05,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Judge recordings.

    Each file is judged in a process of its own limits, without network: a file that crashes it (crashed), takes too
    long (timed_out) or too much memory (out_of_memory) is refused, and the others are judged.

    Exit status: 0 all files were judged, 1 some could not be judged or read, 2 wrong usage or an output that cannot be
    written, 3 an error in avsync (a report is written to the temporary folder), 130 interrupted, 141 the reader of the
    output went away.
    """
    printer = VerdictPrinter(
        as_json=as_json, json_lines=json_lines, to_file=output is not None, quiet=quiet, verbose=verbose
    )
    from avsync.engine import open_engine
    from avsync.isolation import IsolatedDetector

    with IsolatedDetector(
        jobs=jobs,
        engine=open_engine(engine or "local"),
        timeout=timeout,
        max_memory=max_memory,
        weights=weights,
        checks=checks,
        backbone=backbone,
        reading=reading,
        features=features,
        trim=trim,
        faces=faces,
        level=level,
        device=device,
    ) as detector:
        # The first worker loads the model while these are imported.
        from avsync.report import write_report

        _check_outputs(output, resume=resume, embed=embed)
        paths = _inputs(files)
        settings = {"trim": trim, "faces": faces, "level": level}
        with _stream(output, detector, settings, resume=resume) or nullcontext() as stream:
            missing = paths if stream is None else stream.missing(paths)
            verdicts = []
            if verbose and jobs == 1:
                printer.start_clock(detector)
            for verdict in score_files(missing, detector, _for_page(output, embed=embed), quiet=quiet):
                verdicts.append(verdict)
                if stream is not None:
                    stream.add(verdict)
                printer.one(verdict)
        if output is not None and stream is None:
            write_report(verdicts, output)
        printer.all(verdicts)
        if stream is not None and not stream.all_judged:
            exit_with(verdicts, detector, 1)
        exit_with(verdicts, detector)


def score_files(
    paths: Sequence[Path], detector: "IsolatedDetector", keep: "Collection[ForReport]" = (), *, quiet: bool = False
) -> "Iterator[Verdict]":
    """Yield a verdict for each path, with what is to be kept. The progress bar disappears before one is yielded."""
    progress = FilesProgress(len(paths), quiet=quiet)
    verdicts = detector.score_all(paths, keep=keep, on_progress=progress.update)
    for done, path in enumerate(paths, 1):
        with progress.bar:
            verdict = next(verdicts)
        progress.finish(done)
        yield _nothing_inside(verdict) if _is_folder(path) else verdict


def exit_with(verdicts: "Iterable[Verdict]", detector: "IsolatedDetector", status: int = 0) -> None:
    """End with status 3 if there was an error in avsync, and with 1 if a file could not be judged, else go on."""
    if detector.reports:
        tell("\n".join(dict.fromkeys(detector.reports)))
        raise typer.Exit(INTERNAL)
    if status or any(verdict.verdict == "cannot_judge" for verdict in verdicts):
        raise typer.Exit(1)


def _check_outputs(output: Path | None, *, resume: bool, embed: bool) -> None:
    """Refuse what cannot be written before the work, not after."""
    from avsync.report.parts import SUFFIX
    from avsync.report.stream import SUFFIXES
    from avsync.report.writer import renderer

    if embed and not _for_page(output, embed=True):
        raise UsageError("--embed: name a report that ends in .html by --output")
    growing = (*SUFFIXES, SUFFIX)
    if resume and (output is None or output.suffix.lower() not in growing):
        raise UsageError(f"--resume: name the report of the run that was stopped by --output, {' or '.join(growing)}")
    if output is not None and output.suffix.lower() != SUFFIX:
        renderer(output)


def _stream(
    output: Path | None, detector: "IsolatedDetector", settings: dict[str, Any], *, resume: bool
) -> "ReportStream | PartsStream | None":
    from avsync.report import PartsStream, ReportStream
    from avsync.report.parts import SUFFIX
    from avsync.report.stream import SUFFIXES

    if output is None or output.suffix.lower() not in (*SUFFIXES, SUFFIX):
        return None
    facts = detector.facts
    hashes = {"weights_sha256": facts.weights_sha256, "calibration_sha256": facts.calibration_sha256}
    known = {"avsync": version("avsync"), "model": facts.model, **hashes, "checks": list(facts.checks), **settings}
    if output.suffix.lower() == SUFFIX:
        return PartsStream(output, facts.checks, known, resume=resume)
    return ReportStream(output, facts.checks, facts.readings, known, resume=resume)


def _for_page(output: Path | None, *, embed: bool) -> "tuple[ForReport, ...]":
    """Return what a page shows beside the verdicts."""
    if output is None or output.suffix.lower() != ".html":
        return ()
    return ("figures", "media") if embed else ("figures",)


def _inputs(names: Iterable[str]) -> list[Path]:
    """Return the files to score, each once. A name that matches nothing is kept, so that its verdict says so."""
    from glob import escape, glob

    found: list[Path] = []
    for name in names:
        # A name with brackets may be a file's own. Path.glob takes no absolute patterns, and fails on strange ones.
        hits = glob(escape(name)) or sorted(glob(name, recursive=True))  # noqa: PTH207
        for path in map(Path, hits or [name]):
            found += (_recordings(path) or [path]) if _is_folder(path) else [path]
    return list(dict.fromkeys(found))


def _recordings(folder: Path) -> list[Path]:
    # A file that is named itself is tried with any suffix.
    known = SOUND_SUFFIXES.union(VIDEO_SUFFIXES)
    candidates = (path for path in folder.rglob("*") if path.suffix.lower() in known)
    return sorted(path for path in candidates if not path.name.startswith(".") and not _is_folder(path))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission to look, or a name too long: the detector reports it
        return False


def _nothing_inside(verdict: "Verdict") -> "Verdict":
    """Return the verdict on a folder with the true reason: there is nothing to judge in it."""
    detail = "no video or sound file in this folder"
    checks = {name: replace(check, detail=detail) for name, check in verdict.checks.items()}
    return replace(verdict, detail=detail, checks=checks)
