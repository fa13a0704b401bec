"""Run a command, and print the seconds it took, those of the processor, and its peak memory (bytes) as JSON.

This is a small process of its own, because a child inherits the peak memory of its parent. On Linux, processes whose
parent has ended become children of this one, so that their time counts too.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    with suppress(ChildProcessError):  # none is left
        while True:
            os.wait()
    unit = 1 if sys.platform == "darwin" else 1024
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([seconds, used.ru_utime + used.ru_stime, unit * used.ru_maxrss]))
