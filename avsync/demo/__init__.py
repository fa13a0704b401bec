"""A talking astronaut and a dubbed one, made from nothing but the installed packages."""

from avsync.demo.clips import make_clips

__all__ = ["make_clips"]
