"""Data sets as their authors lay them out, each as a list of the same rows. Nothing is decoded here."""

from avsync.datasets.dataset import Dataset
from avsync.datasets.record import FAKE_SPEECH, REAL_SPEECH, REAL_TYPE, ClipRecord
from avsync.datasets.registry import DATASETS, open_dataset
from avsync.datasets.roles import Role, role, with_role

__all__ = [
    "DATASETS",
    "FAKE_SPEECH",
    "REAL_SPEECH",
    "REAL_TYPE",
    "ClipRecord",
    "Dataset",
    "Role",
    "open_dataset",
    "role",
    "with_role",
]
