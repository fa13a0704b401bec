"""Feed avsync damaged, lying and odd files, and count what comes of it.

    python scripts/fuzz.py --count 10000 --seed 0 --jobs 2 --output DIR
    python scripts/fuzz.py --what files --count 2000 --output DIR

The number of an input decides everything about it. A run that is stopped goes on where it was. Inputs that crash, hang,
take too much memory, raise an exception or open what is not theirs are kept in `DIR/faults`; the exit status is then 1.
"""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).parent))

from fuzzing.pool import Limits, run
from fuzzing.results import faults, stored, summary

_REPORT_EVERY = 60.0  # s


def main() -> int:
    """Run the inputs that have no record yet, and print the tables."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    results = options.output / f"{options.what}.jsonl"
    records = stored(results)
    known, told = {record["seed"] for record in records}, monotonic()
    wanted = range(options.seed, options.seed + options.count)
    seeds = [seed for seed in wanted if seed not in known]
    limits = Limits(options.seconds, options.memory)
    with results.open("a", encoding="utf-8") as file:
        for record in run(options.what, seeds, options.output, jobs=options.jobs, limits=limits):
            print(json.dumps(record), file=file, flush=True)
            records.append(record)
            if faults([record]):
                print(*faults([record]), flush=True)
            if monotonic() - told > _REPORT_EVERY:
                told = monotonic()
                print(f"{len(records):,} inputs", file=sys.stderr, flush=True)
    records = [record for record in records if record["seed"] in wanted]
    print(summary(records))
    found = faults(records)
    print(*found, sep="\n")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=("media", "files"), default="media", help="files: checkpoints, stores, ...")
    parser.add_argument("--count", type=int, default=1000, help="number of inputs")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, required=True, help="folder of records and faults")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="time limit of an input")
    parser.add_argument("--memory", type=int, default=Limits.mb, help="memory limit of an input (MB)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
