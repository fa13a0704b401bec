"""Kills train, calibrate, extract and evaluate at random moments, again and again, and compares what they end with.

    python scripts/kill_test.py --kills 20

Each chain kills a verb up to four times in one folder, each time a new process that goes on, then lets it end: the
result must be that of a run without a kill. As root, a small tmpfs also shows what a full disk does.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import killing

_CHAIN = 4
# Sizes of the disk (kB) on which a verb cannot end.
_SMALL = {"train": 600, "calibrate": 1000, "extract": 150, "evaluate": 12}


def main() -> int:
    """Print a line for each verb; exit status 1 if a result differed, a process stayed, or a file was left over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", default=killing.VERBS)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = killing.make_tree(Path(folder) / "tree")
        for verb in options.verbs:
            failures += _verb(verb, tree, Path(folder) / verb, options.kills, options.seed)
    return int(failures > 0)


def _verb(verb: str, tree: Path, folder: Path, kills: int, seed: int) -> int:
    began = time.monotonic()
    _ended(verb, tree, killing.clean(folder))
    seconds, wanted = time.monotonic() - began, killing.result(verb, folder)
    moments = killing.moments(seconds, kills, f"{verb} {seed}")
    in_time, differ, orphans, left, chains = 0, 0, [], [], 0
    while moments:
        chains += 1
        killing.clean(folder)
        for _ in range(min(_CHAIN, len(moments))):
            killed = killing.kill(verb, tree, folder, moments.pop())
            in_time += killed.in_time
            orphans += killed.orphans
        _ended(verb, tree, folder)
        differ += killing.result(verb, folder) != wanted
        left += killing.leftovers(folder)
    full = _full_disk(verb, tree, folder, wanted)
    print(
        f"{verb}: {kills} kills ({in_time} before the end of a run of {seconds:.0f} s) in {chains} chains: "
        f"{differ} other results, {len(orphans)} orphans, {len(left)} files left over; full disk: {full}",
        *orphans,
        sep="\n",
        flush=True,
    )
    return differ + len(orphans) + len(left) + (full not in ("same result after it", "not tried"))


def _ended(verb: str, tree: Path, folder: Path) -> None:
    done = killing.run(verb, tree, folder)
    if done.returncode:
        raise SystemExit(f"{verb}: exit status {done.returncode}: {done.stderr}")


def _full_disk(verb: str, tree: Path, folder: Path, wanted: object) -> str:
    """What happens on a disk that is full before the verb ends, and then is not."""
    killing.clean(folder)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL[verb]}k", "avsync", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        return "not tried"
    try:
        done = killing.run(verb, tree, folder)
        if done.returncode != 2 or len(done.stderr.strip().splitlines()) != 1 or "No space left" not in done.stderr:
            return f"exit status {done.returncode}, {done.stderr.strip()[-300:]!r}"
        subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
        _ended(verb, tree, folder)
        return "same result after it" if killing.result(verb, folder) == wanted else "another result after it"
    finally:
        subprocess.run(["umount", folder], check=False)


if __name__ == "__main__":
    sys.exit(main())
