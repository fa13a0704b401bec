"""Audio-visual deepfake detection learned from real video only.

from avsync import Detector
verdict = Detector().score("clip.mp4")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avsync.detector import Detector
    from avsync.report.frame import to_pandas
    from avsync.score.verdict import Verdict

    __version__: str

__all__ = ["Detector", "Verdict", "__version__", "to_pandas"]

_HOMES = {
    "Detector": "avsync.detector",
    "Verdict": "avsync.score.verdict",
    "to_pandas": "avsync.report.frame",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, and `avsync --help` needs none of it.
    if name == "__version__":
        from importlib.metadata import version

        return version("avsync")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'avsync' has no attribute '{name}'")
