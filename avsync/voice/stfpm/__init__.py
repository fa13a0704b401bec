"""Student-teacher feature pyramid matching on speech (Coletta et al., EUSIPCO 2025)."""

from avsync.voice.stfpm.config import StfpmConfig
from avsync.voice.stfpm.model import StfpmModel

__all__ = ["StfpmConfig", "StfpmModel"]
