"""Judge files in worker processes with limits, so that a file can take down nothing but its own worker.

from avsync.isolation import IsolatedDetector
with IsolatedDetector(jobs=2) as detector:
    for verdict in detector.score_all(["a.mp4", "b.mp4"]):
        ...
"""

from avsync.isolation.detector import Facts, ForReport, IsolatedDetector

__all__ = ["Facts", "ForReport", "IsolatedDetector"]
