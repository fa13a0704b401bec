"""Published weights of others: what is known about them, where they are on this machine, and how to fetch them."""

from avsync.weights.folder import find
from avsync.weights.hub import ssl_folder

__all__ = ["find", "ssl_folder"]
