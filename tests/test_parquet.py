"""Reports as folders of Parquet parts: they grow, go on after a stop, and are read with one line of SQL."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from verdicts import consistent, of_sound, refused, suspicious

from avsync.errors import Reason, UsageError
from avsync.report.parts import PartsStream
from avsync.score.verdict import Verdict

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra scale")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")

SETTINGS = {"model": "toy", "level": 0.05}
CHECKS = ("lips", "face", "voice")


@pytest.fixture
def report(tmp_path):
    """Opens the report; the files lie beside it."""

    def opened(name="all.parquet", settings=SETTINGS, resume=True):
        return PartsStream(tmp_path / name, CHECKS, settings, resume=resume)

    return opened


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.mp4" for name in "abcd"]
    for path in paths:
        path.write_text(f"content of {path.name}")
    return paths


def judged(path):
    """A verdict with the hash of the file."""
    from avsync.files import sha256_of

    return replace(consistent(str(path)), sha256=sha256_of(path))


def filled(stream, paths, judge=judged):
    """Judge what is missing, and return it."""
    with stream:
        missing = stream.missing(paths)
        for path in missing:
            stream.add(judge(path))
    return missing


def rows(folder):
    return pq.read_table(folder).sort_by("path").to_pylist()


class TestRows:
    def test_a_row_tells_the_file_the_verdict_and_each_check(self, report, files, tmp_path):
        kinds = dict(zip(files, (suspicious, of_sound, refused, consistent), strict=True))
        filled(report(), files, lambda path: replace(kinds[path](str(path)), sha256=path.name))
        found = rows(tmp_path / "all.parquet")
        assert [row["path"] for row in found] == list(map(str, files))
        for row, path in zip(found, files, strict=True):
            verdict = kinds[path](str(path))
            stat = path.stat()
            assert (row["size"], row["mtime_ns"], row["sha256"]) == (stat.st_size, stat.st_mtime_ns, path.name)
            assert (row["verdict"], row["p_value"], row["reason"]) == (verdict.verdict, verdict.p_value, verdict.reason)
            assert (row["faces"], row["warnings"]) == (len(verdict.tracks), verdict.warnings)
            for name, check in verdict.checks.items():
                assert row[f"check_{name}_anomaly_score"] == check.anomaly_score
                assert row[f"check_{name}_reason"] == check.reason
            assert Verdict.from_dict(json.loads(row["json"])) == replace(verdict, sha256=path.name)

    def test_duckdb_reads_it_in_one_line(self, report, files, tmp_path):
        duckdb = pytest.importorskip("duckdb")
        filled(report(), files, lambda path: (refused if path == files[3] else consistent)(str(path)))
        said = duckdb.sql(
            f"SELECT verdict, count(*) FROM '{tmp_path}/all.parquet/*.parquet' GROUP BY verdict ORDER BY verdict"
        ).fetchall()
        assert said == [("cannot_judge", 1), ("consistent", 3)]

    def test_a_name_that_is_no_unicode_has_a_row_and_is_known_again(self, report, tmp_path):
        path = tmp_path / os.fsdecode(b"\xff.mp4")
        path.write_text("?")
        assert filled(report(), [path]) == [path]
        assert rows(tmp_path / "all.parquet")[0]["path"].endswith("\\udcff.mp4")
        assert filled(report(), [path]) == []


class TestGoingOn:
    def test_what_is_there_is_not_judged_again(self, report, files, tmp_path):
        assert filled(report(), files[:2]) == files[:2]
        assert filled(report(), files) == files[2:]
        assert filled(report(), files) == []
        assert [row["path"] for row in rows(tmp_path / "all.parquet")] == list(map(str, files))
        assert not list((tmp_path / "all.parquet").glob(".*"))

    def test_a_file_that_has_changed_is_judged_again_and_has_one_row(self, report, files, tmp_path):
        filled(report(), files)
        files[1].write_text("something else")
        assert filled(report(), files) == [files[1]]
        assert len(rows(tmp_path / "all.parquet")) == 4

    @pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.CRASHED])
    def test_a_file_that_the_next_run_may_be_able_to_judge_is_tried_again(self, report, files, tmp_path, reason):
        filled(report(), files, lambda path: refused(str(path), reason) if path == files[0] else judged(path))
        stream = report()
        assert filled(stream, files) == files[:1]
        assert stream.all_judged
        assert [row["verdict"] for row in rows(tmp_path / "all.parquet")] == ["consistent"] * 4

    def test_a_file_that_was_renamed_or_copied_gets_its_row_without_being_judged(self, report, files, tmp_path):
        filled(report(), files[:1])
        moved = files[0].rename(tmp_path / "moved.mp4")
        assert filled(report(), [moved, files[1]]) == [files[1]]
        of_content = [row for row in rows(tmp_path / "all.parquet") if row["sha256"] == judged(moved).sha256]
        assert {row["path"] for row in of_content} == {str(files[0]), str(moved)}
        assert Verdict.from_dict(json.loads(of_content[1]["json"])).path == str(moved)

    def test_parts_of_several_machines_are_one_report(self, report, files, tmp_path):
        filled(report("one.parquet"), files[:2])
        filled(report("two.parquet"), files[2:])
        for part in (tmp_path / "two.parquet").iterdir():
            part.rename(tmp_path / "one.parquet" / part.name)
        assert filled(report("one.parquet"), files) == []
        assert len(rows(tmp_path / "one.parquet")) == 4

    def test_other_settings_do_not_mix(self, report, files):
        filled(report(), files)
        with pytest.raises(UsageError, match=r"other settings \(changed: level\)"):
            report(settings={**SETTINGS, "level": 0.1})

    def test_a_report_is_not_overwritten(self, report, files):
        filled(report(), files)
        with pytest.raises(UsageError, match="holds a report; --resume goes on with it"):
            report(resume=False)

    def test_parquet_of_something_else_is_refused(self, report, tmp_path):
        import pyarrow as pa

        (tmp_path / "all.parquet").mkdir()
        pq.write_table(pa.table({"a": [1]}), tmp_path / "all.parquet" / "x.parquet")
        with pytest.raises(UsageError, match="no part of a report"):
            report()

    def test_a_torn_part_is_refused_in_one_line(self, report, files, tmp_path):
        filled(report(), files)
        (part,) = (tmp_path / "all.parquet").iterdir()
        part.write_bytes(part.read_bytes()[:-20])
        with pytest.raises(UsageError, match="no part of a report"):
            report()


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_parquet import CHECKS, SETTINGS, judged
from avsync.report.parts import PartsStream
with PartsStream(Path(sys.argv[2]), CHECKS, SETTINGS, resume=True) as stream:
    for path in stream.missing(map(Path, sys.argv[3:])):
        stream.add(judged(path))
        print(path, flush=True)
        time.sleep(0.2)
"""


class TestAKilledRun:
    def test_loses_nothing_finished_and_does_nothing_twice(self, report, files, tmp_path):
        folder = tmp_path / "all.parquet"
        words = [sys.executable, "-c", KILLED, Path(__file__).parent, folder, *files]
        with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as run:
            finished = [run.stdout.readline().strip() for _ in range(3)]
            run.send_signal(signal.SIGKILL)
        (journal,) = folder.glob(".*.journal")
        with journal.open("a") as file:
            file.write('{"size": 3, "mti')  # cut off
        assert filled(report(), files) == [path for path in files if str(path) not in finished]
        assert [row["path"] for row in rows(folder)] == list(map(str, files))
        assert not list(folder.glob(".*"))

    def test_between_part_and_journal_leaves_no_row_twice(self, report, files, tmp_path):
        stream = report()
        stream.missing(files)
        for path in files:
            stream.add(judged(path))
        before = next((tmp_path / "all.parquet").glob(".*.journal")).read_bytes()
        stream.__exit__(None, None, None)
        (tmp_path / "all.parquet" / ".left.journal").write_bytes(before)
        assert filled(report(), files) == []
        assert len(rows(tmp_path / "all.parquet")) == 4

    def test_the_journal_of_a_run_that_goes_on_is_left_alone(self, report, files, tmp_path):
        with report() as first:
            first.missing(files[:1])
            first.add(judged(files[0]))
            assert filled(report(), files[1:]) == files[1:]
            assert len(rows(tmp_path / "all.parquet")) == 3
        assert len(rows(tmp_path / "all.parquet")) == 4


def test_without_pyarrow_it_says_what_to_install_in_one_line(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'avsync\[scale\]'"):
        report()


def test_three_thousand_rows_are_opened_in_a_moment(report):
    verdict = consistent("x")
    with report() as stream:
        stream.missing([])
        for number in range(3000):
            stream.add(replace(verdict, path=f"/data/{number:06}.mp4", sha256=f"{number:064x}"))
    start = time.monotonic()
    assert report().missing([]) == []
    assert time.monotonic() - start < 5
