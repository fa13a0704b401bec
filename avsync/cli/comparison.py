"""What `avsync evaluate` does with several methods, and where it writes tables and curves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from avsync.checks.methods import METHODS, Method, chosen_methods, with_backbone
from avsync.cli.judging import Side, judging
from avsync.cli.printer import telling
from avsync.errors import UsageError
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord
    from avsync.evaluate.plots import Judged
    from avsync.evaluate.protocols.common import Scored
    from avsync.evaluate.protocols.interface import Summary
    from avsync.evaluate.results import StoredVerdict
    from avsync.evaluate.table import Tables

Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        metavar="NAMES",
        help=f"Compare methods on the same clips, joined by commas: {', '.join(METHODS)}, or the file of a checkpoint. "
        "Differences are to the first. --backbone takes the place of AV-HuBERT.",
    ),
]
Plots = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Also draw ROC, DET and reliability curves there, as SVG and PNG."),
]
# The endings of files that tables are written to.
_TABLES = (".md", ".tex")


def places(output: Path) -> tuple[Path, Path | None]:
    """Return the folder of verdicts and the file of tables that --output names.

    A name that ends in .md or .tex is a file of tables; verdicts are kept in the folder of the same name without the
    ending, so that both files can be written from the same verdicts. Any other name is that of the folder.
    """
    return (output.with_suffix(""), output) if output.suffix.lower() in _TABLES else (output, None)


class Figures(NamedTuple):
    """What an evaluation found.

    Attributes:
        tables, notes: for people.
        verdicts: by name of the method, what is stored by name of the clip.
    """

    tables: "Tables"
    notes: list[str]
    verdicts: "Mapping[str, Mapping[str, StoredVerdict]]"


def write_tables(figures: Figures, path: Path | None) -> None:
    """Write tables and notes as Markdown or LaTeX, by the ending of the path; without a path, nothing."""
    from avsync.evaluate.table import to_latex, to_markdown
    from avsync.files import write_whole

    if path is None:
        return
    if path.suffix.lower() == ".tex":
        comments = [*figures.notes, r"needs \usepackage{booktabs}"]
        text = "".join(f"% {note}\n" for note in comments) + to_latex(figures.tables)
    else:
        text = to_markdown(figures.tables) + "".join(f"\n- {note}" for note in figures.notes) + "\n"
    write_whole(path, text.encode("utf-8", "surrogateescape"))
    typer.echo(f"{path}: tables")


def draw(figures: Figures, records: "Sequence[ClipRecord]", folder: Path) -> None:
    """Draw the curves of all methods, on the clips that all of them judge, into a folder."""
    from avsync.evaluate.compare import common_clips
    from avsync.evaluate.plots import write_plots
    from avsync.evaluate.protocols.common import Clip

    clips = {name: [Clip(record, of[record.name]) for record in records] for name, of in figures.verdicts.items()}
    written = write_plots({name: _judged(of) for name, of in common_clips(clips).items()}, folder)
    drawn = ", ".join(dict.fromkeys(path.stem for path in written)) or "no curve: it takes real and fake clips"
    typer.echo(f"{folder}: {drawn}")


class Comparing:
    """Several methods, checked before any clip is judged.

    Args:
        names: joined by commas.
        options: those of the detector that all methods share; `trim` is that of methods with a backbone.
        own_trim: that of the embedded models.
        protocol: sums up the verdicts of each method.
        own_tables: also tell what it says of each method.

    Raises:
        UsageError: an unknown method, or one that cannot be loaded.
    """

    def __init__(self, names: str, options: dict[str, Any], *, own_trim: str, protocol: str, own_tables: bool) -> None:
        from avsync.evaluate import PROTOCOLS

        self._own_trim, self._protocol, self._own_tables = own_trim, protocol, own_tables
        if protocol not in PROTOCOLS:
            raise UsageError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
        given = dict(options)
        for name in ("weights", "checks", "reading"):
            if given.pop(name) is not None:
                raise UsageError(f"--{name} is of one model: leave it out, or name a checkpoint in --methods")
        backbone, self._features = given.pop("backbone"), given.pop("features")
        self._shared = given
        chosen = chosen_methods(names)
        self._methods = chosen if backbone is None else with_backbone(chosen, backbone)
        if self._features is not None and not any(method.backbone for method in self._methods):
            raise UsageError("--features: no method of --methods reads a backbone")
        for method in self._methods:  # before hours of work
            try:
                with judging(self._options(method, None), None):
                    pass
            except UsageError as error:
                raise UsageError(f"{method.name}: {error}") from error

    def run(
        self, records: "list[ClipRecord]", output: Path, side: Side | None, *, quiet: bool, verbose: bool
    ) -> Figures:
        """Judge the clips by every method, each in its folder below `output`, and compare them.

        `comparison.json` in `output` has the figures too.
        """
        from avsync.evaluate import evaluate
        from avsync.evaluate.compare import compare
        from avsync.evaluate.json_files import write_json
        from avsync.evaluate.results import VerdictFile

        stores = self._extract(records, output / "features", side, quiet=quiet or verbose)
        verdicts: dict[str, dict[str, StoredVerdict]] = {}
        summaries: dict[str, Summary] = {}
        for method in self._methods:
            folder = output / method.name
            with (
                judging(self._options(method, stores.get(method.backbone)), side) as (judge, settings),
                counting(method.name, quiet=quiet or verbose) as on_progress,
            ):
                told = telling(judge) if verbose else judge
                summaries[method.name] = evaluate(
                    records, told, folder, settings=settings, protocol=self._protocol, on_progress=on_progress
                )
            verdicts[method.name] = VerdictFile(folder, settings).read()
        found = compare(records, verdicts)
        write_json(output / "comparison.json", found.to_dict())
        own = summaries if self._own_tables else {}
        tables = {f"{name}: {title}": rows for name, of in own.items() for title, rows in of.tables().items()}
        return Figures({**found.tables(), **tables}, [*found.notes(), *_notes(own)], verdicts)

    def _options(self, method: Method, features: Path | None) -> dict[str, Any]:
        """Those of the detector of a method."""
        from avsync.weights import find
        from avsync.weights.catalogue import AVHALIGN

        options = {**self._shared, **method.options, "features": features}
        if not (method.backbone or "weights" in method.options):
            options["trim"] = self._own_trim
        if method.weights:
            options["weights"] = find(method.weights, AVHALIGN)
        return options

    def _extract(
        self, records: "list[ClipRecord]", folder: Path, side: Side | None, *, quiet: bool
    ) -> dict[str | None, Path]:
        """By backbone, the folder of its features: those given, or made once where several methods read them."""
        from avsync.encoders.registry import choose_device, load_backbone
        from avsync.engine import open_engine
        from avsync.face import load_face_detector
        from avsync.features import FeatureStore
        from avsync.features.extract import extract

        readers = Counter(method.backbone for method in self._methods if method.backbone)
        if self._features is not None:
            return dict.fromkeys(readers, self._features)
        where: dict[str, Any] = {} if side is None else {"workers": side.jobs, "engine": open_engine(side.engine)}
        shared = [backbone for backbone, methods in readers.items() if methods > 1]
        faces = load_face_detector(self._shared["faces"])
        for backbone in shared:
            encoders = load_backbone(backbone, choose_device(self._shared["device"]))
            store = FeatureStore(folder, encoders.key, self._shared["trim"], faces.key)
            with counting(f"features of {backbone}", quiet=quiet) as on_progress:
                extract(records, encoders, store, faces=faces, **where, on_progress=on_progress)
        return dict.fromkeys(shared, folder)


def _notes(summaries: "Mapping[str, Summary]") -> list[str]:
    """The notes of all methods, each once; one that not all of them have says whose it is."""
    whose: dict[str, list[str]] = {}
    for name, summary in summaries.items():
        for note in summary.notes():
            whose.setdefault(note, []).append(name)
    return [note if len(of) == len(summaries) else f"{', '.join(of)}: {note}" for note, of in whose.items()]


def _judged(of: "Scored") -> "Judged":
    import numpy as np

    from avsync.evaluate.plots import Judged

    p_values = [clip.verdict.p_value for clip in of.clips]
    return Judged(of.fake, of.score, None if None in p_values else np.array(p_values, np.float64))
