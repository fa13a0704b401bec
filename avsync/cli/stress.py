"""avsync stress."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsync.cli.options import Dataset, Device, Quiet
from avsync.errors import UsageError
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord


def stress(
    root: Annotated[
        Path, typer.Argument(metavar="REAL_ROOT", help="The folder of a data set; its real clips are used.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the set is made; run again to continue.")],
    clips: Annotated[int, typer.Option(metavar="N", min=1, help="How many reconstructions.")] = 96,
    tries: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of how many real clips each is made, at most, until one is good.")
    ] = 6,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Kinds of reconstruction, joined by commas; also autoencoder:FILE. Default: all that need no weights.",
        ),
    ] = None,
    blendings: Annotated[
        str | None, typer.Option(metavar="NAMES", help="How they are blended in, joined by commas. Default: all ways.")
    ] = None,
    share: Annotated[
        float,
        typer.Option(
            help="How strict: a reconstruction is no further from its real clip than this share of real clips are from "
            "themselves a moment later."
        ),
    ] = 0.8,
    role: Annotated[
        Literal["report", "calibrate", "all"],
        typer.Option("--role", help="Whose real clips are used. report: of people who never calibrate a model."),
    ] = "report",
    seed: Annotated[int, typer.Option(help="The same seed gives the same set.")] = 1,
    dataset: Dataset = None,
    device: Device = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Clips worked on side by side.")] = 1,
    quiet: Quiet = False,
) -> None:
    """Make well-crafted reconstructions of real clips, to test detectors with: a hard test, not fakes of anybody.

    Every reconstruction keeps who speaks and what is said; its file name and its metadata say what it is. Then: avsync
    evaluate DIR --protocol stress.
    """
    from avsync.encoders.registry import choose_device
    from avsync.evaluate import print_tables
    from avsync.evaluate.table import Tables
    from avsync.reconstruct.face.registry import identity
    from avsync.stress import Settings
    from avsync.stress.plan import chosen_blendings, chosen_kinds, method_of
    from avsync.stress.run import Recipe, make_stress_set
    from avsync.stress.summary import notes, rows

    if not 0 < share < 1:
        raise UsageError(f"--share {share:g}: must be between 0 and 1")
    if seed < 0:
        raise UsageError(f"--seed {seed}: must be 0 or more")
    records = _real_clips(root, dataset, role)
    where = str(choose_device(device))
    recipe = Recipe(chosen_kinds(kinds, where), chosen_blendings(blendings), where)
    settings = Settings(
        version=_version(),
        seed=seed,
        clips=clips,
        tries=tries,
        kinds={method_of(kind): identity(kind) for kind in recipe.kinds},
        blendings=recipe.blendings,
        share=share,
        records=_hash(records),
    )
    with counting("making", quiet=quiet) as on_progress:
        made = make_stress_set(records, output, recipe, settings, jobs=jobs, on_progress=on_progress)
    tables: Tables = {heading: [{**row} for row in of] for heading, of in rows(made).items()}
    print_tables(tables, [*notes(made), f"{output}: next, avsync evaluate {output} --protocol stress"])


def _real_clips(root: Path, dataset: str | None, role: Literal["report", "calibrate", "all"]) -> "list[ClipRecord]":
    """The real videos of a data set by the people who have a role; says what is left out.

    Raises:
        UsageError: there is none.
    """
    from avsync.datasets import REAL_TYPE, open_dataset, with_role

    records = open_dataset(root, dataset)
    real = [record for record in records if record.type == REAL_TYPE]
    chosen = with_role(real, role)
    if len(real) < len(records):
        typer.echo(f"{root}: {len(records) - len(real)} clips are fakes or sound alone; only real videos are used.")
    if len(chosen) < len(real):
        typer.echo(f"{root}: {len(real) - len(chosen)} real clips are left out: --role {role}.")
    if not chosen:
        raise UsageError(f"{root}: no real video of anybody with --role {role}")
    return chosen


def _hash(records: "Sequence[ClipRecord]") -> str:
    from hashlib import sha256

    names = "\0".join(sorted(record.name for record in records))
    return sha256(names.encode("utf-8", "surrogateescape")).hexdigest()


def _version() -> str:
    from importlib.metadata import version

    return version("avsync")
