"""Isolation: a file can take down nothing but its own worker. Stand-ins replace the detector."""

import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avsync.engine import process
from avsync.engine.interface import InternalError, Limits
from avsync.engine.memory import memory_of
from avsync.engine.traces import report
from avsync.errors import AvsyncError, Reason, UsageError
from avsync.isolation import IsolatedDetector, detector

TESTS = Path(__file__).parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux shows the memory of a process and closes its network")
# Prints the process of the worker, which then hangs.
PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from avsync.engine import process
from avsync.isolation import IsolatedDetector, detector
detector.FACTORY = "stand_in:Hostage"
if sys.argv[2] == "unwatched":
    process.memory_of = lambda pid: None
with IsolatedDetector(timeout=60) as isolated:
    for verdict in isolated.score_all(sys.argv[3:]):
        print(verdict.sha256.split()[0], flush=True)
"""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    def choose(name):
        monkeypatch.setattr(detector, "FACTORY", f"stand_in:{name}")

    choose("Hostage")
    return choose


@pytest.fixture
def files(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).write_bytes(b"?")
        return [tmp_path / name for name in names]

    return make


def judged(paths, **options):
    with IsolatedDetector(**options) as isolated:
        return list(isolated.score_all(paths))


def alive(pid):
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


class TestOneFile:
    """What a file does to its worker costs the file its verdict, and nothing else."""

    @pytest.mark.parametrize(
        ("name", "reason", "words"),
        [
            ("abort.mp4", Reason.CRASHED, "the worker process ended with SIGABRT"),
            ("segfault.mp4", Reason.CRASHED, "the worker process ended with SIGSEGV"),
            ("kill.mp4", Reason.CRASHED, "the worker process ended with SIGKILL, perhaps for lack of memory"),
            ("leave.mp4", Reason.CRASHED, "the worker process ended with exit status 0"),
            ("hang.mp4", Reason.TIMED_OUT, "not done within 1.5 s; --timeout gives more"),
            ("full.mp4", Reason.OUT_OF_MEMORY, "more than 4096 MB of memory were needed; --max-memory gives more"),
            ("raises.mp4", Reason.CRASHED, "an error in avsync (ValueError)"),
            ("nonsense.mp4", Reason.CRASHED, "the worker process sent something that is no result"),
        ],
    )
    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    def test_it_is_refused_with_the_reason_and_the_others_are_judged(self, files, name, reason, words):
        first, refused, last = judged(files("a.mp4", name, "b.mp4"), timeout=1.5, level=0.1)
        assert (refused.verdict, refused.reason, refused.detail) == ("cannot_judge", reason, words)
        assert {name: check.reason for name, check in refused.checks.items()} == {"lips": reason, "face": reason}
        assert (refused.level, refused.weights_sha256) == (0.1, "ab" * 32)
        assert (first.verdict, last.verdict) == ("consistent", "consistent")

    @linux
    def test_without_end_of_memory_it_is_ended_soon_above_the_limit(self, files):
        refused, after = judged(files("allocate.mp4", "b.mp4"), max_memory=200)
        assert refused.reason is Reason.OUT_OF_MEMORY
        assert refused.detail == "more than 200 MB of memory were needed; --max-memory gives more"
        assert after.verdict == "consistent"

    def test_where_the_parent_cannot_look_the_worker_looks_at_its_own_memory(self, files, monkeypatch):
        monkeypatch.setattr(process, "memory_of", lambda pid: None)
        refused, after = judged(files("allocate.mp4", "b.mp4"), max_memory=300)
        assert (refused.reason, after.verdict) == (Reason.OUT_OF_MEMORY, "consistent")

    def test_what_it_prints_is_not_taken_for_an_answer(self, files, capfd):
        (verdict,) = judged(files("chatter.mp4"))
        assert verdict.verdict == "consistent"
        assert capfd.readouterr() == ("", "")

    @linux
    def test_it_cannot_open_a_connection(self, files):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):  # we can
                pass
            with IsolatedDetector() as isolated:
                assert isolated.facts.network_closed
                (refused,) = isolated.score_all(files(f"connect_{port}.mp4"))
            assert refused.detail == "an error in avsync (PermissionError)"

    def test_its_seconds_of_reading_are_told(self, files):
        seen = []
        with IsolatedDetector() as isolated:
            paths = files("hang_1.mp4", "read.mp4")
            list(isolated.score_all(paths, on_progress=lambda *words: seen.append(words)))
        assert (1, "faces", 1.0, 4.0) in seen
        assert (0, "opening", 0.0, 0.0) in seen

    def test_giving_up_ends_the_worker_of_that_file_and_no_other(self, files):
        class GivenUp(Exception):
            pass

        def give_up(index, stage, seconds, total):
            raise GivenUp

        with IsolatedDetector(jobs=2) as isolated:
            others = isolated.score_all(files("a.mp4", "hang_2.mp4", "b.mp4"))
            next(others)
            start = time.monotonic()
            with pytest.raises(GivenUp):
                list(isolated.score_all(files("hang_50.mp4", "c.mp4"), on_progress=give_up))
            assert [verdict.verdict for verdict in others] == ["consistent", "consistent"]
            assert time.monotonic() - start < 20

    def test_any_name_arrives_as_it_is(self, tmp_path):
        name = os.fsdecode(b"\xff\xfe \n.mp4") if os.name == "posix" else "речь.mp4"
        (tmp_path / name).write_bytes(b"?")
        (verdict,) = judged([tmp_path / name])
        assert (verdict.path, verdict.verdict) == (str(tmp_path / name), "consistent")


class TestWorkers:
    def test_one_worker_with_one_detector_judges_many_files(self, files):
        first, second, _, last = judged(files("a.mp4", "b.mp4", "raises.mp4", "c.mp4"))
        assert first.sha256.endswith(" 1")
        assert first.sha256 == second.sha256 == last.sha256

    def test_a_dead_worker_is_replaced(self, files):
        before, _, after = judged(files("a.mp4", "leave.mp4", "b.mp4"))
        assert before.sha256 != after.sha256

    def test_several_judge_side_by_side_and_the_order_stays(self, files):
        paths = files("hang_1.mp4", *(f"f{n}.mp4" for n in range(6)), "leave.mp4", "g.mp4")
        verdicts = judged(paths, jobs=2)
        assert [verdict.path for verdict in verdicts] == list(map(str, paths))
        assert verdicts[0].sha256.split()[0] not in {verdict.sha256.split()[0] for verdict in verdicts[1:7]}

    def test_they_end_when_the_detector_is_closed_even_at_work(self, files):
        with IsolatedDetector() as isolated:
            verdicts = isolated.score_all(files("a.mp4", "hang.mp4"))
            pid = int(next(verdicts).sha256.split()[0])
            start = time.monotonic()
        assert time.monotonic() - start < 5
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_files_of_an_iterator_that_is_given_up_do_not_come_back_in_the_next(self, files):
        with IsolatedDetector() as isolated:
            first = isolated.score_all(files("a.mp4", "b.mp4", "c.mp4"))
            next(first)
            first.close()
            assert [Path(v.path).name for v in isolated.score_all(files("d.mp4", "e.mp4"))] == ["d.mp4", "e.mp4"]

    @linux
    @pytest.mark.parametrize("how", ["watched", "unwatched"])
    def test_they_end_with_their_parent_even_if_it_is_killed(self, files, how):
        words = [sys.executable, "-c", PARENT, TESTS, how, *files("a.mp4", "hang.mp4")]
        with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as parent:
            pid = int(parent.stdout.readline())
            time.sleep(0.3)  # it hangs by now
            assert alive(pid)
            parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 5
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(pid)


class TestStart:
    def test_wrong_options_are_wrong_usage(self, files, stand_in):
        stand_in("Refusing")
        with pytest.raises(UsageError, match="weights: not these"):
            judged(files("a.mp4"))

    def test_an_error_in_avsync_is_reported_without_personal_data(self, files, stand_in):
        stand_in("Broken")
        with IsolatedDetector() as isolated, pytest.raises(InternalError) as raised:
            _ = isolated.facts
        assert "stand_in:" in raised.value.report
        assert "secret" not in raised.value.report

    @linux
    def test_a_model_that_needs_more_than_the_limit_is_wrong_usage(self, files, stand_in):
        stand_in("Greedy")
        with pytest.raises(UsageError, match="--max-memory 100: too little to load the model"):
            judged(files("a.mp4"), max_memory=100)

    def test_a_worker_that_does_not_start_is_an_error(self, files, monkeypatch):
        monkeypatch.setattr(process, "_PROGRAM", "import os; os._exit(7)")
        with pytest.raises(AvsyncError, match="the model was not loaded: the worker process ended with exit status 7"):
            judged(files("a.mp4"))

    @pytest.mark.parametrize("options", [{"jobs": 0}, {"timeout": 0}, {"timeout": float("nan")}, {"max_memory": 0}])
    def test_limits_are_positive(self, options):
        with pytest.raises(UsageError, match="must be"):
            IsolatedDetector(**options)


@pytest.mark.skipif(sys.platform != "linux", reason="steps of Linux")
class TestSeal:
    """What a worker does first. Each way to close the network works by itself."""

    def left(self, step):
        code = f"""
import os, socket
from avsync import processes
done = {step}
found = []
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
        found.append(family.name)
    except PermissionError:
        pass
devices = open("/proc/net/dev").read().count(":")
print(done, devices, *found)
"""
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        done, devices, *families = out.split()
        return done == "True", int(devices), families

    def test_a_filter_leaves_only_sockets_of_this_machine(self):
        done, _, families = self.left("processes._prctl(38, 1) and processes._filter_sockets()")
        assert (done, families) == (True, ["AF_UNIX"])

    def test_a_namespace_has_no_device_but_the_loopback(self):
        done, devices, families = self.left("processes._leave_network()")
        if not done:
            pytest.skip("this kernel or container gives no namespace")
        assert (devices, families) == (1, ["AF_UNIX", "AF_INET", "AF_INET6"])

    def test_a_process_with_threads_keeps_its_network(self):
        thread = "__import__('threading').Thread(target=__import__('time').sleep, args=(1,))"
        done, _, families = self.left(f"{thread}.start() or processes.close_network()")
        assert (done, families) == (False, ["AF_UNIX", "AF_INET", "AF_INET6"])

    def test_a_process_whose_parent_has_ended_ends(self):
        code = "from avsync.processes import end_with; end_with(1 << 30); print('here')"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b""


class TestLimits:
    def test_by_default_a_file_has_time_in_proportion_to_its_length(self):
        limits = Limits(None, 0)
        assert limits.seconds(0, 0) == 60
        assert limits.seconds(100, 10_000_000) == 560

    def test_a_length_that_the_size_belies_does_not_count(self):
        assert Limits(None, 0).seconds(20 * 86_400, 4_000_000) == 60 + 5 * 2000

    def test_a_timeout_is_a_timeout(self):
        assert Limits(7, 0).seconds(1000, 10_000_000) == 7

    @linux
    def test_the_memory_of_a_process_grows_with_what_it_holds(self):
        before = memory_of(os.getpid())
        # A mapping is new memory; an object may get memory that earlier tests left to the allocator.
        with mmap.mmap(-1, 50_000_000) as held:
            held.write(b"x" * len(held))
            assert memory_of(os.getpid()) - before > 40_000_000

    def test_what_a_process_has_started_counts_as_its_own(self):
        program = "held = bytearray(50_000_000); print(flush=True); input()"
        before = memory_of(os.getpid())
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            assert memory_of(os.getpid()) - before > 40_000_000
            child.communicate(b"\n")

    def test_the_memory_of_no_process_is_unknown(self):
        assert memory_of(2**30) is None


class TestReport:
    def test_tells_the_errors_and_their_places_and_nothing_personal(self, monkeypatch):
        monkeypatch.setenv("SECRET", "hush")

        def fail(path):
            try:
                open(path)  # noqa: PTH123, SIM115
            except OSError as error:
                raise ValueError(path) from error

        with pytest.raises(ValueError, match="alice") as raised:
            fail("/home/alice/secret.mp4")
        text = report(raised.value)
        assert "builtins.ValueError" in text
        assert "builtins.FileNotFoundError" in text
        assert f"test_isolation:{fail.__code__.co_firstlineno + 4}, in fail" in text
        assert not [word for word in ("alice", "secret", "hush", str(TESTS.parent)) if word in text]

    def test_files_that_meet_an_error_in_avsync_leave_a_report(self, files):
        with IsolatedDetector() as isolated:
            list(isolated.score_all(files("raises.mp4", "leave.mp4")))
            assert len(isolated.reports) == 1
        assert "in raises" in isolated.reports[0]
        assert "secret" not in isolated.reports[0]
