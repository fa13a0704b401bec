"""Runs the verbs that take hours on a tiny data set, kills them, and says what they left behind."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from talking import people, voxceleb

CONFIG = Path(__file__).parents[1] / "configs" / "default.yaml"
VERBS = ("train", "calibrate", "extract", "evaluate")
PEOPLE = people("calibrate", 4)
# Two people are enough here: twenty would take minutes.
_MAIN = "import avsync.calibrate, avsync.cli; avsync.calibrate.FEWEST_PEOPLE = 2; avsync.cli.main()"
_HIDDEN = re.compile(r"\.[0-9a-f]{32}\.partial")
# One thread: runs side by side do not disturb one another, and give the same numbers.
_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Killed:
    """A run that was killed after `seconds`; `orphans` are the processes that outlived it."""

    seconds: float
    in_time: bool
    orphans: list[str]


def make_tree(root):
    """Four people who may calibrate, with a clip each."""
    return voxceleb(root, PEOPLE)


def command(verb, tree, output):
    """The command line of a verb whose results go into a folder."""
    words = {
        "train": [
            CONFIG,
            f"data.root={tree}",
            f"data.cache={output / 'cache'}",
            f"data.validation=[{PEOPLE[0]},{PEOPLE[1]}]",
            "data.num_workers=2",
            "model.width=8",
            "trainer.epochs=4",
            "trainer.batch_size=2",
            "trainer.per_speaker=1",
            "trainer.loggers=[csv]",
            f"trainer.output_dir={output}",
        ],
        "calibrate": [tree, "--output", output / "calibrated.safetensors"],
        "extract": [tree, "--backbone", "temporal", "--output", output, "--workers", "2"],
        "evaluate": [tree, "--role", "all", "--output", output],
    }
    return [sys.executable, "-c", _MAIN, verb, *map(str, words[verb])]


def run(verb, tree, output, **options):
    """Run a verb to its end."""
    words = command(verb, tree, output)
    return subprocess.run(words, env=_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300, **options)


def kill(verb, tree, output, seconds):
    """Run a verb, kill its process with SIGKILL after some seconds, and wait for those that it started."""
    process = subprocess.Popen(
        command(verb, tree, output), env=_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    started = descendants(process.pid)
    process.kill()
    in_time = process.wait() == -9
    until = time.monotonic() + 20  # a process that has just begun first imports its modules
    while time.monotonic() < until and any(map(alive, started)):
        time.sleep(0.1)
    return Killed(seconds, in_time, [_command_of(pid) for pid in started if alive(pid)])


def moments(seconds, count, seed):
    """Moments to kill at, of a run that takes some seconds; the first second only imports."""
    rng = random.Random(seed)
    return [rng.uniform(min(1.0, seconds / 4), seconds) for _ in range(count)]


def descendants(pid):
    """The processes that a process has started, and those that they have."""
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    children = [int(child) for text in tasks for child in text.split()]
    return children + [below for child in children for below in descendants(child)]


def result(verb, output):
    """What a verb made, as plain data to compare."""
    match verb:
        case "train":
            return [_hash(output / name) for name in ("model.safetensors", "model.json")]
        case "calibrate":
            return [_hash(output / name) for name in ("calibrated.safetensors", "calibrated.json")]
        case "evaluate":
            lines = [json.loads(line) for line in (output / "verdicts.jsonl").read_text().splitlines()]
            verdicts = {line["name"]: line for line in lines}
            return [verdicts, (output / "clips.csv").read_text(), (output / "summary.json").read_text()]
        case _:
            return _features(output)


def leftovers(output):
    """Files that are neither results nor the unfinished files of killed processes, which are removed an hour later."""
    hidden = [path for path in output.rglob(".*") if not _HIDDEN.fullmatch(path.name)]
    return [*hidden, *output.rglob("*.next")]


def clean(output):
    """A folder that is empty."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    return output


def _features(output):
    from safetensors import safe_open

    found = {}
    for shard in sorted(output.rglob("*.safetensors")):
        with safe_open(shard, framework="np") as file:
            header = json.loads(file.metadata()["avsync"])
            found |= {key: entry.get("refused") for key, entry in header["files"].items()}
            found |= {name: hashlib.sha256(file.get_tensor(name).tobytes()).hexdigest() for name in file.keys()}  # noqa: SIM118
    return found


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def alive(pid):
    """Whether a process has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return str(pid)
