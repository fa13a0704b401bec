"""avsync pack."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.options import Dataset, Device, Quiet
from avsync.progress import counting


def pack(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder of a data set of real video.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the tar files go; run again to go on.")],
    backbone: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What a training reads: mouth+mel for configs/default.yaml, else its backbone."
        ),
    ] = "mouth+mel",
    shard_mb: Annotated[int, typer.Option(min=1, metavar="MB", help="Size of a tar file, at most.")] = 256,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Speakers to leave out; may be given several times.")
    ] = None,
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Licence of the data, kept with every clip.")] = "",
    cache: Annotated[Path, typer.Option(metavar="DIR", help="Where features are kept until they are packed.")] = Path(
        ".cache/features"
    ),
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode and find faces.")] = 2,
    device: Device = None,
    dataset: Dataset = None,
    quiet: Quiet = False,
) -> None:
    """Pack what trainings of the lips read of real clips into tar files (WebDataset), for data.root of avsync train."""
    from avsync.datasets.splits import training_records
    from avsync.encoders.registry import choose_device, load_backbone
    from avsync.face import load_face_detector
    from avsync.features import FeatureStore
    from avsync.features.extract import extract
    from avsync.features.packed import Making
    from avsync.features.packed import pack as run

    records = training_records(root, exclude or [], dataset)
    encoders, faces = load_backbone(backbone, choose_device(device)), load_face_detector()
    # The default model takes whole clips; the others leave out what is before and after the speech.
    store = FeatureStore(cache, encoders.key, "default", faces.key, whole=backbone == "mouth+mel")
    making = Making(root.resolve().name, licence, encoders.key, faces.key, store.trim, store.whole)
    with counting("extracting", quiet=quiet) as on_progress:
        kept = extract(records, encoders, store, faces=faces, workers=workers, on_progress=on_progress)
    with counting("packing", quiet=quiet) as on_progress:
        index = run(records, kept, store, output, making, shard_bytes=shard_mb << 20, on_progress=on_progress)
    names = list(index.shards)
    shown = names[0] if len(names) == 1 else f"{{{names[0][:-4]}..{names[-1][:-4]}}}.tar"
    print(f"{output / shown}: {len(kept)} of {len(records)} clips, {sum(index.shards.values()) / 1e6:.0f} MB")
