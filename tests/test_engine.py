"""The engine of this machine, and what engines share (tests/engine_checks.py)."""

import io
import json
import sys
import time
from functools import partial
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from engine_checks import EngineChecks
from engine_work import task

from avsync.engine import LOCAL, End, Job, Pool, do_jobs, open_engine, wire
from avsync.errors import CannotJudge, Reason, UsageError


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
class TestLocal(EngineChecks):
    @pytest.fixture
    def engine(self):
        return LOCAL


class TestHere:
    """Without an engine, one job at a time is done in this process."""

    def values(self, orders, **options):
        jobs = iter([Job(words) for words in orders])
        return list(do_jobs(task(), partial(next, jobs, None), count=1, **options))

    def test_jobs_are_done_in_their_order_and_refused_ones_end_with_the_reason(self):
        first, end, refused = self.values(["say a", "refuse x"])
        assert (first.value["value"], end.refusal) == ("a", None)
        assert isinstance(refused, End)
        assert refused.refusal.reason is Reason.NO_FACE

    def test_an_error_is_the_error_of_the_run(self):
        with pytest.raises(KeyError):
            self.values(["fail x"])

    def test_a_result_can_make_a_new_job(self):
        waiting, found = ["count 2"], []
        for event in do_jobs(task(), lambda: Job(waiting.pop()) if waiting else None, count=1):
            if not isinstance(event, End):
                found.append(event.value["value"])
                if event.job.given == "count 2":
                    waiting.append(f"say {found[-1]}")
        assert found == [0, 1, "1", "0"]


class TestNames:
    def test_local(self):
        assert open_engine("local") is LOCAL

    @pytest.mark.parametrize("name", ["dask", "ray:", "http://host"])
    def test_an_unknown_engine_is_wrong_usage(self, name):
        with pytest.raises(UsageError, match="choose local, ray or ray://HOST:PORT"):
            open_engine(name)

    def test_without_ray_it_says_what_to_install_in_one_line(self, monkeypatch):
        monkeypatch.setattr("avsync.engine.choose.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"pip install 'avsync\[scale\]'") as raised:
            open_engine("ray")
        assert "\n" not in str(raised.value)


class TestWire:
    """Answers are JSON and the bytes of arrays; whatever a process sends, nothing of it is run here."""

    def sent(self, message, arrays):
        pipe = io.BytesIO()
        wire.write_answer(pipe, message, arrays)
        return io.BytesIO(pipe.getvalue())

    @pytest.mark.parametrize("kind", ["uint8", "int16", "int64", "float16", "float32", "float64", "bool"])
    def test_arrays_come_back_as_they_were(self, kind):
        arrays = {"a": np.arange(12).reshape(3, 4).astype(kind)[:, ::2], "empty": np.zeros((0, 5), kind)}
        message, found = wire.read_answer(self.sent({"answer": {"ж": 1}}, arrays))
        assert message == {"answer": {"ж": 1}}
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
            assert found[name].flags.writeable

    @pytest.mark.parametrize(
        "described",
        [
            [["a", "|O", [1]]],
            [["a", "<f4", [-1]]],
            [["a", "<f4", [1 << 40, 1 << 40]]],
            [["a", "<f4", [10_000, 100_000]]],
            [["a", "<f4"]],
            [["a", "<f4", [True]]],
            ["a"],
            7,
            True,
            {"a": ["<f4", [1]]},
        ],
    )
    def test_arrays_that_are_none_are_refused_before_memory_is_taken(self, described):
        line = json.dumps({"answer": {}, "arrays": described}).encode() + b"\n"
        with pytest.raises(ValueError, match=r"array|bytes"):
            wire.read_answer(io.BytesIO(line + bytes(100)))

    def test_arrays_that_are_cut_off_are_the_end(self):
        whole = self.sent({"answer": {}}, {"a": np.ones(100)}).getvalue()
        with pytest.raises(wire.Ended):
            wire.read_answer(io.BytesIO(whole[:-1]))

    @pytest.mark.parametrize("line", [b"[1]\n", b"{\n", b"\xff\n", b"[" * 100_000 + b"\n"])
    def test_what_is_no_object_is_empty(self, line):
        assert wire.read_answer(io.BytesIO(line)) == ({}, {})

    def test_without_a_line_break_it_is_the_end(self):
        with pytest.raises(wire.Ended):
            wire.read_answer(io.BytesIO(b"{}"))


class LateSeat:
    """A seat that is ended for the first time just before it gets its job, and so begins the job all the same."""

    def __init__(self):
        self.begun, self.ended, self.kills = Event(), Event(), 0

    def facts(self):
        return {}

    def do(self, job, on_progress):
        self.begun.set()
        self.ended.wait(30)
        raise CannotJudge(Reason.CRASHED, "ended")

    def kill(self, *, for_good=False):
        self.kills += 1
        if self.kills > 1:
            self.ended.set()

    def close(self):
        self.ended.set()


def test_a_job_that_is_given_up_while_it_is_handed_over_ends():
    def leave(run):
        assert seat.begun.wait(5)
        raise KeyboardInterrupt

    seat, jobs = LateSeat(), iter([Job("a")])
    with Pool(SimpleNamespace(seat=lambda task, count: seat), task(), 1) as pool:
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            next(pool.run(partial(next, jobs, None), on_wait=leave))
        assert seat.ended.is_set()
        assert time.monotonic() - start < 10
    assert seat.kills >= 2
