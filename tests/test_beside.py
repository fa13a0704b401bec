"""Faces that are followed in a second process: the same as in this one, whatever happens to the process."""

import os
import signal
from math import inf

import numpy as np
import psutil
import pytest
from talking import face, voice, write

import avsync.detector
from avsync.beside import WatchBeside
from avsync.detector import Detector
from avsync.engine.interface import InternalError
from avsync.errors import CannotJudge, Reason
from avsync.face import FACE_DETECTORS, load_face_detector
from avsync.isolation import IsolatedDetector
from avsync.watch import Seen, Stretch, watch


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Six seconds of a talking face; the picture stands still in between."""
    moving, still = face(), np.repeat(face()[-1:], 25, axis=0)
    pictures = np.concatenate([moving, still, moving[:50]])
    sound = np.concatenate([voice(), voice()])
    return write(tmp_path_factory.mktemp("file") / "talking.mkv", pictures, sound, codec="pcm_s16le")


@pytest.fixture(scope="module")
def beside():
    made = WatchBeside(FACE_DETECTORS["dlib"])
    yield made
    made.close()


@pytest.fixture
def long(monkeypatch):
    """Every file is long enough, and there is a core for the second process."""
    monkeypatch.setattr(avsync.detector, "_LONG", 0.0)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)


def everything(path, longest=25):
    return Stretch(path, 0.0, inf, longest)


def started():
    """The processes that this one has started and that are still there."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


class TestThePass:
    def test_faces_and_what_the_pass_met_are_the_same(self, path, beside):
        here, there = Seen(), Seen()
        expected = list(watch(load_face_detector(), everything(path), here, lambda time: None))
        found = list(beside(everything(path), there, lambda time: None))
        assert len(found) == len(expected) > 3
        for one, other in zip(found, expected, strict=True):
            assert (one.track, one.start) == (other.track, other.start)
            for name in ("patches", "points", "squares"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
                assert getattr(one, name).dtype == getattr(other, name).dtype
        assert there == here
        assert here.frozen > 0.9
        assert here.size == (192, 192)

    def test_damage_is_told(self, path, beside, tmp_path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
        damaged = tmp_path / "damaged.mkv"
        damaged.write_bytes(content)
        here, there = Seen(), Seen()
        list(watch(load_face_detector(), everything(damaged), here, lambda time: None))
        list(beside(everything(damaged), there, lambda time: None))
        assert there == here
        assert there.warnings

    def test_a_file_that_cannot_be_read_is_refused_alike(self, tmp_path, beside):
        nothing = tmp_path / "nothing.mp4"
        nothing.write_bytes(b"?")
        said = []
        for follow in (beside, lambda *given: watch(load_face_detector(), *given)):
            with pytest.raises(CannotJudge) as refused:
                list(follow(everything(nothing), Seen(), lambda time: None))
            said.append((refused.value.reason, refused.value.detail))
        assert said[0] == said[1]
        assert said[0][0] == Reason.UNREADABLE

    def test_a_pass_that_is_given_up_does_not_spoil_the_next(self, path, beside):
        whole = len(list(beside(everything(path), Seen(), lambda time: None)))
        part = beside(everything(path, 5), Seen(), lambda time: None)
        next(part)
        part.close()
        assert len(list(beside(everything(path), Seen(), lambda time: None))) == whole

    def test_a_process_that_dies_is_a_refusal_and_is_replaced(self, path):
        before, mortal = started(), WatchBeside(FACE_DETECTORS["dlib"])
        part = mortal(everything(path, 1), Seen(), lambda time: None)
        next(part)
        (pid,) = started() - before
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(CannotJudge) as refused:
            list(part)
        assert refused.value.reason == Reason.CRASHED
        assert list(mortal(everything(path), Seen(), lambda time: None))
        mortal.close()


class TestTheVerdict:
    def test_is_that_of_one_process(self, path, long, monkeypatch):
        beside = Detector().score(path, keep=("figures",)).to_dict()
        monkeypatch.setattr(avsync.detector, "_LONG", inf)
        assert Detector().score(path, keep=("figures",)).to_dict() == beside
        assert beside["verdict"] != "cannot_judge"

    def test_without_the_faces_it_rests_on_the_voice(self, path, long, monkeypatch):
        def dies(*given):
            raise CannotJudge(Reason.CRASHED, "the worker process ended with SIGSEGV")

        monkeypatch.setattr(avsync.detector, "WatchBeside", lambda faces: Dying(dies))
        verdict = Detector().score(path)
        assert verdict.checks["face"].reason == verdict.checks["lips"].reason == Reason.CRASHED
        assert verdict.checks["voice"].reason != Reason.CRASHED

    def test_an_error_in_avsync_stays_one(self, path, long, monkeypatch):
        def fails(*given):
            raise InternalError("report")

        monkeypatch.setattr(avsync.detector, "WatchBeside", lambda faces: Dying(fails))
        with pytest.raises(InternalError):
            Detector().score(path)

    def test_short_files_and_busy_cores_start_no_process(self, path, monkeypatch):
        before = started()
        detector = Detector()
        detector.score(path)
        monkeypatch.setattr(avsync.detector, "_LONG", 0.0)
        monkeypatch.setattr("torch.get_num_threads", lambda: 1)
        detector.score(path)
        assert started() <= before

    def test_the_process_ends_with_its_detector(self, path, long):
        before = started()
        detector = Detector()
        detector.score(path)
        assert len(started() - before) == 1
        del detector
        assert started() <= before

    def test_of_a_long_file_in_a_worker_is_that_of_one_process(self, tmp_path, monkeypatch):
        path = write(tmp_path / "long.mkv", np.tile(face(), (8, 1, 1)), np.tile(voice(), 8), codec="pcm_s16le")
        monkeypatch.setattr(avsync.detector, "_LONG", inf)
        expected = Detector().score(path)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")  # of the worker: a core is free
        before = started()
        with IsolatedDetector() as detector:
            (verdict,) = detector.score_all([path])
        assert verdict.p_value == pytest.approx(expected.p_value, abs=1e-6)  # it may use other numbers of threads
        assert [(track.start, track.end) for track in verdict.tracks] == [
            (track.start, track.end) for track in expected.tracks
        ]
        assert started() <= before


class Dying:
    """A `WatchBeside` whose process meets something."""

    def __init__(self, watch):
        self._watch = watch

    def __call__(self, *given):
        return self._watch(*given)

    def close(self):
        pass
