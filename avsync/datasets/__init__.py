"""Data sets as their authors lay them out, each as a list of the same rows."""

from avsync.datasets import fakeavceleb, voxceleb2
from avsync.datasets.layout import all_records
from avsync.datasets.record import REAL_TYPE, ClipRecord

__all__ = ["REAL_TYPE", "ClipRecord", "all_records", "fakeavceleb", "voxceleb2"]
