"""Features of lips and speech of whole files: made by a backbone, kept on disk, read by training and scoring."""

from avsync.encoders.registry import Backbone, load_backbone
from avsync.features.extract import encode_file, extract
from avsync.features.store import Features, FeatureStore, StoredClip

__all__ = ["Backbone", "FeatureStore", "Features", "StoredClip", "encode_file", "extract", "load_backbone"]
