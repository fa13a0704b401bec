"""Run a command, and print the seconds it took and its peak memory (bytes) as JSON.

This is a small process of its own, because a child inherits the peak memory of its parent.
"""

import json
import resource
import subprocess
import sys
import time

if __name__ == "__main__":
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps([seconds, unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
