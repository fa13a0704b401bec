"""Which data set a folder is."""

from pathlib import Path

from avsync.datasets import fakeavceleb, voxceleb2
from avsync.datasets.record import ClipRecord


def all_records(root: Path) -> list[ClipRecord]:
    """The clips of a VoxCeleb2 or FakeAVCeleb tree.

    Raises:
        UsageError: the folder is neither.
    """
    return voxceleb2.records(root) if voxceleb2.is_tree(root) else fakeavceleb.records(root)
