"""avsync extract."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.cli.options import Dataset, Device, Faces, Quiet, Trim
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
    from avsync.face import load_face_detector
    from avsync.features import FeatureStore
    from avsync.features.extract import extract as run

    records = _part([record for root in roots for record in open_dataset(root, dataset)], shard)
    encoders, detector = load_backbone(backbone, choose_device(device)), load_face_detector(faces)
    store = FeatureStore(output, encoders.key, trim, detector.key, whole=whole)
    with counting("extracting", quiet=quiet) as on_progress:
        kept = run(records, encoders, store, faces=detector, workers=workers, on_progress=on_progress)
    print(f"{store.folder}: features of {len(kept)} of {len(records)} clips")


def _part(records: "list[ClipRecord]", shard: str) -> "list[ClipRecord]":
    """Every N-th record, from the I-th on, of a shard "I/N"."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard {shard}: write the part and the number of parts, such as 1/8")
    return records[part - 1 :: parts]
