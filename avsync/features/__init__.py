"""Features of lips and speech of whole files: made by a backbone, kept on disk, read by training and scoring."""

from avsync.features.encode import encode_recording
from avsync.features.store import Features, FeatureStore, StoredClip
from avsync.features.writer import StoreWriter

__all__ = ["FeatureStore", "Features", "StoreWriter", "StoredClip", "encode_recording"]
