"""avsync audit."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.clips import Fake, Real, Root, Split, chosen_clips
from avsync.cli.options import Dataset, Engine, MaxMemory, Timeout
from avsync.progress import counting


def audit(
    root: Root = None,
    real: Real = None,
    fake: Fake = None,
    dataset: Dataset = None,
    split: Split = None,
    faces: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Count and measure faces too, with this face detector: dlib, fan or mesh."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where facts and the page are kept; run again to continue after a stop.")
    ] = Path("audit"),
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Files measured side by side.")] = 2,
    engine: Engine = None,
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Find what separates real from fake in a data set without a look at what it shows: silence, length, codec, …

    A detector can learn such shortcuts instead of faces and voices. Reads headers and sound, and learns nothing that is
    kept.
    """
    import json

    from avsync.engine import MB, Limits, open_engine
    from avsync.evaluate import print_tables
    from avsync.evaluate.audit import audit as run

    records = chosen_clips(root, dataset, split, real, fake)
    if faces is not None:
        from avsync.face import load_face_detector

        load_face_detector(faces)  # in this process a missing package is one line, in a worker it would be many
    with counting("auditing") as on_progress:
        found = run(
            records,
            output,
            faces=faces,
            jobs=jobs,
            engine=open_engine(engine or "local"),
            limits=Limits(timeout, max_memory * MB),
            on_progress=on_progress,
        )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
        return
    print_tables(found.tables(), [*found.notes(), f"With plots: {output / 'audit.html'}"])
