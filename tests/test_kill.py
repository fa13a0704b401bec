"""Verbs that are killed or run out of disk end as if nothing had happened, once they are run again.

`python scripts/kill_test.py` does the same with many kills, and on a disk that is really full.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import killing
import pytest

resource = pytest.importorskip("resource", reason="limits of file size are a thing of POSIX")
pytestmark = pytest.mark.skipif(not killing.Path("/proc/self/task").exists(), reason="processes are found in /proc")

# A file of a verb's results is larger than this (bytes).
TOO_SMALL = {"train": 1 << 20, "calibrate": 1 << 20, "extract": 50_000, "evaluate": 2_000}


@dataclass
class Story:
    """A run without a kill; and a run that could not write, one that was killed, and one that ended, in one folder."""

    wanted: object
    refused: object
    killed: killing.Killed
    ended: object
    result: object
    left: list


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """Of each verb, two at a time: most of the time Python imports PyTorch."""
    folder = tmp_path_factory.mktemp("kill")
    tree = killing.make_tree(folder / "tree")

    def tell(verb):
        began, whole = time.monotonic(), killing.clean(folder / "whole" / verb)
        assert killing.run(verb, tree, whole).returncode == 0
        (moment,) = killing.moments(0.9 * (time.monotonic() - began), 1, seed=verb)
        output = killing.clean(folder / "killed" / verb)
        limit = TOO_SMALL[verb]
        refused = killing.run(
            verb, tree, output, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        killed = killing.kill(verb, tree, output, moment)
        ended = killing.run(verb, tree, output)
        result = killing.result(verb, output) if ended.returncode == 0 else None
        return Story(killing.result(verb, whole), refused, killed, ended, result, killing.leftovers(output))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(killing.VERBS, pool.map(tell, killing.VERBS), strict=True))


@pytest.mark.parametrize("verb", killing.VERBS)
class TestVerb:
    def test_run_again_after_a_kill_it_ends_with_the_same_result(self, stories, verb):
        story = stories[verb]
        assert story.ended.returncode == 0, story.ended.stderr
        assert story.result == story.wanted

    def test_a_kill_leaves_no_process(self, stories, verb):
        assert stories[verb].killed.orphans == []

    def test_a_kill_leaves_no_half_file(self, stories, verb):
        assert stories[verb].left == []

    def test_if_a_file_cannot_be_written_it_says_so_in_one_line(self, stories, verb):
        refused = stories[verb].refused
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
        assert refused.stderr.startswith("avsync: ")
        assert "File too large" in refused.stderr
