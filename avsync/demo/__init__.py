"""Two synthetic demo clips, a talking astronaut and a dubbed one, made only from installed packages."""

from avsync.demo.clips import make_clips

__all__ = ["make_clips"]
