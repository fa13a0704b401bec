"""Work on many jobs in processes with limits: on this machine, or on a Ray cluster.

with Pool(open_engine("local"), Task(make, limits, read), count=2) as pool:
    for event in pool.map(Job(path, path) for path in paths):
        ...
"""

from avsync.engine.choose import open_engine
from avsync.engine.interface import MB, Answer, Arrays, Engine, Held, InternalError, Job, Limits, Task, Telling, Work
from avsync.engine.jobs import LIMITS, do_jobs
from avsync.engine.local import LOCAL, Here
from avsync.engine.pool import End, Pool, Result, Run

__all__ = [
    "LIMITS",
    "LOCAL",
    "MB",
    "Answer",
    "Arrays",
    "End",
    "Engine",
    "Held",
    "Here",
    "InternalError",
    "Job",
    "Limits",
    "Pool",
    "Result",
    "Run",
    "Task",
    "Telling",
    "Work",
    "do_jobs",
    "open_engine",
]
