"""avsync extract."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.options import Dataset, Device, Engine, Faces, MaxMemory, Quiet, Timeout, Trim
from avsync.errors import UsageError
from avsync.progress import counting

if TYPE_CHECKING:
    from avsync.datasets import ClipRecord


def extract(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT", help="Folders of data sets.")],
    backbone: Annotated[str, typer.Option(metavar="NAME", help="Encoders LIPS+SPEECH, such as avhubert.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where features are kept; run again to go on.")] = Path(
        ".cache/features"
    ),
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode and find faces.")] = 2,
    engine: Engine = None,
    encoders: Annotated[
        int, typer.Option(min=1, help="With --engine ray: processes that encode, each with a GPU if --device is one.")
    ] = 1,
    timeout: Timeout = None,
    max_memory: MaxMemory = 4096,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only part I of N of the clips. Parts may share the folder.")
    ] = "1/1",
    trim: Trim = "default",
    whole: Annotated[
        bool, typer.Option("--whole", help="Keep frames before and after the speech, as configs/default.yaml needs.")
    ] = False,
    faces: Faces = "dlib",
    device: Device = None,
    dataset: Dataset = None,
    quiet: Quiet = False,
) -> None:
    """Make the features of clips once, for train, calibrate, evaluate and score."""
    from avsync.datasets import open_dataset
    from avsync.encoders.registry import choose_device, load_backbone
    from avsync.engine import MB, Limits, open_engine
    from avsync.face import load_face_detector
    from avsync.features import FeatureStore
    from avsync.features.extract import extract as run
    from avsync.features.stages import encode_away, encode_here

    records = _part([record for root in roots for record in open_dataset(root, dataset)], shard)
    on_cluster = engine not in (None, "local")
    # Of a cluster's GPUs this machine may have none; here the backbone only tells its key.
    encoding = load_backbone(backbone, choose_device("cpu" if on_cluster else device))
    detector = load_face_detector(faces)
    store = FeatureStore(output, encoding.key, trim, detector.key, whole=whole)
    where = open_engine(engine or "local")
    encode = encode_away(backbone, device, where, encoders) if on_cluster else encode_here(encoding)
    with counting("extracting", quiet=quiet) as on_progress:
        kept = run(
            records,
            encoding,
            store,
            faces=detector,
            workers=workers,
            engine=where,
            limits=Limits(timeout, max_memory * MB),
            encode=encode,
            on_progress=on_progress,
        )
    print(f"{store.folder}: features of {len(kept)} of {len(records)} clips")


def _part(records: "list[ClipRecord]", shard: str) -> "list[ClipRecord]":
    """Every N-th record, from the I-th on, of a shard "I/N"."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard {shard}: write the part and the number of parts, such as 1/8")
    return records[part - 1 :: parts]
