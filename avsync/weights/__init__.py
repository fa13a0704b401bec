"""Weights of others: what is known of them, where they lie on this machine, and how they get here."""

from avsync.weights.folder import find, folder
from avsync.weights.hub import ssl_folder

__all__ = ["find", "folder", "ssl_folder"]
