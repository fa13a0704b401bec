"""What every engine does: classes of tests that tests/test_engine.py and tests/test_ray.py share."""

import socket
import sys
import time
from functools import partial

import numpy as np
import pytest
from engine_work import MB, task

from avsync.engine import End, Job, Pool
from avsync.errors import Reason


def done(engine, orders, *, count=2, **limits):
    """The values of each job by its words, and how each ended."""
    values, ends = {}, {}
    with Pool(engine, task(**limits), count) as pool:
        jobs = iter([Job(words) for words in orders])
        for event in pool.run(partial(next, jobs, None)):
            words = event.job.given
            if isinstance(event, End):
                assert words not in ends
                ends[words] = event.refusal
            else:
                assert words not in ends
                values.setdefault(words, []).append(event.value["value"])
    return values, ends


class EngineChecks:
    """A subclass has a fixture `engine`."""

    def test_every_job_gives_its_results_in_order_and_ends_once(self, engine):
        orders = ["count 0", "count 5", "say a", "count 3", "say b"]
        values, ends = done(engine, orders)
        assert values == {"count 5": [0, 1, 2, 3, 4], "count 3": [0, 1, 2], "say a": ["a"], "say b": ["b"]}
        assert ends == dict.fromkeys(orders)

    def test_a_job_that_fails_in_any_way_costs_itself_alone_with_a_reason(self, engine):
        bad = {
            "refuse x": (Reason.NO_FACE, "nobody is seen"),
            "fail x": (Reason.CRASHED, "an error in avsync (KeyError)"),
            "abort x": (Reason.CRASHED, "the worker process ended with SIGSEGV"),
            "hang x": (Reason.TIMED_OUT, "not done within 3 s; --timeout gives more"),
            "say nonsense": (Reason.CRASHED, "the worker process sent something that is no result"),
        }
        if sys.platform == "linux":
            bad["fill x"] = (Reason.OUT_OF_MEMORY, "more than 200 MB of memory were needed; --max-memory gives more")
        good = [f"say {number}" for number in range(len(bad))]
        orders = [words for pair in zip(bad, good, strict=True) for words in pair]
        values, ends = done(engine, orders, seconds=3.0, memory=200 * MB)
        assert values == {words: [words.split()[1]] for words in good}
        assert {words: (ends[words].reason, ends[words].detail) for words in bad} == bad
        assert all(ends[words] is None for words in good)

    def test_an_error_leaves_a_report_without_personal_data(self, engine):
        _, ends = done(engine, ["fail x"])
        report = ends["fail x"].__cause__.report
        assert "builtins.KeyError" in report
        assert "secret" not in report

    def test_arrays_arrive_as_they_were_and_go_into_other_work(self, engine):
        with Pool(engine, task(), 1) as first, Pool(engine, task(), 1) as second:
            held = [event.value["held"] for event in first.map([Job("count 4")]) if not isinstance(event, End)]
            np.testing.assert_array_equal(held[3].get()["ones"], np.ones((3, 3), np.float32))
            sums = [e.value["value"] for e in second.map([Job("x", arrays=held[2])]) if not isinstance(e, End)]
        assert sums == [6.0]

    def test_results_that_are_not_taken_do_not_pile_up(self, engine, tmp_path):
        with Pool(engine, task(), 1) as pool:
            events = pool.map([Job(f"note {tmp_path}")], room=1)
            next(events)
            time.sleep(1.0)
            # One waits to be taken, one for room, one or two are on their way.
            assert len(list(tmp_path.iterdir())) <= 5
            assert sum(not isinstance(event, End) for event in events) == 9

    def test_the_work_has_no_network(self, engine):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):  # we can
                pass
            with Pool(engine, task(), 1) as pool:
                (end,) = pool.map([Job(f"connect {port}")])
                if not pool.facts.result()["network_closed"]:
                    pytest.skip("this system cannot close the network")
        assert end.refusal.detail == "an error in avsync (PermissionError)"

    def test_a_run_that_is_given_up_ends_its_job_and_the_pool_goes_on(self, engine):
        with Pool(engine, task(), 1) as pool:
            events = pool.map([Job("say a"), Job("hang x")])
            assert next(events).value["value"] == "a"
            events.close()
            start = time.monotonic()
            assert [e.value["value"] for e in pool.map([Job("say b")]) if not isinstance(e, End)] == ["b"]
            assert time.monotonic() - start < 30

    def test_the_process_says_what_it_is(self, engine):
        with Pool(engine, task(), 1, at_once=True) as pool:
            assert pool.facts.result()["name"] == "toy"
