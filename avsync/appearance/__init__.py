"""The networks of the appearance check: does this face look as cameras record faces?

They learn real faces beside our own reconstructions of the same faces. None ships with avsync: users train their own.
"""

from avsync.appearance.config import AppearanceConfig
from avsync.appearance.model import AppearanceModel

__all__ = ["AppearanceConfig", "AppearanceModel"]
