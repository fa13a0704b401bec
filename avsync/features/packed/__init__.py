"""Training data as tar files: what the trainings of lips read of each clip, packed once, read by any machine."""

from avsync.features.packed.clips import Packed, PackedClip, is_packed, read_packed
from avsync.features.packed.index import Making
from avsync.features.packed.write import pack

__all__ = ["Making", "Packed", "PackedClip", "is_packed", "pack", "read_packed"]
