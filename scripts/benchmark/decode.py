"""Decode the pictures of FILE, and do nothing with them.

python decode.py FILE
"""

import sys

import av

if __name__ == "__main__":
    with av.open(f"file:{sys.argv[1]}") as container:
        pictures = container.streams.video[0]
        pictures.thread_type = "AUTO"
        for _ in container.decode(pictures):
            pass
