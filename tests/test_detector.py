"""What Detector promises: a file in, a verdict out, whatever the file.

Every clip is the demo's: a face whose lips move as its voice does, at half its size, in files of every kind. What real
recordings look like is taken from the embedded checkpoint.
"""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
from math import log10

import av
import numpy as np
import pytest
from av.stream import Disposition
from talking import SIDE, resized, write

from avsync import Detector, Verdict
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.checks.load import load_setup
from avsync.checks.registry import CHECKS as REGISTERED
from avsync.demo import make_clips
from avsync.demo.face import talk
from avsync.demo.voice import speak
from avsync.errors import Reason, UsageError
from avsync.media import FPS, RATE, frames
from avsync.score.quantiles import SHARES, at_length
from avsync.score.verdict import STRETCH_SHARE

SECONDS = 6.0
LOSSLESS = {"qp": "0", "preset": "ultrafast"}
CHECKS = ("lips", "face")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")


@pytest.fixture(scope="module", autouse=True)
def lips_and_face():
    """These are the checks of faces; tests/test_voice_check.py has the voice beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(REGISTERED, "voice", raising=False)
        yield


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def score(detector):
    """Scores a file, and checks what is true of every verdict."""

    def checked(path):
        begin = time.perf_counter()
        verdict = detector.score(path)
        assert time.perf_counter() - begin < 20
        assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict(), allow_nan=False))) == verdict
        assert verdict.path == str(path)
        judged = verdict.verdict != "cannot_judge"
        assert judged == (verdict.reason is None) == bool(verdict.tracks) == (verdict.p_value is not None)
        assert judged == (verdict.detail == "")
        assert tuple(verdict.checks) == CHECKS
        for check in verdict.checks.values():
            assert (judged, check.detail == "") == (check.p_value is not None, judged)
            assert (check.reason, check.detail) == (verdict.reason, verdict.detail)
        if judged:
            assert verdict.decisive.track == verdict.decisive_track
            assert (verdict.verdict == "suspicious") == (verdict.p_value <= verdict.level)
            assert verdict.whole_p_value is not None
        return verdict

    return checked


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("demo"), seconds=SECONDS)


@pytest.fixture(scope="module")
def pictures(demo):
    """The demo's pictures, small: uint8 [150, 192, 192]."""
    return np.array([resized(frame.image) for frame in frames(demo[0])])


@pytest.fixture(scope="module")
def voice():
    """What the lips of `pictures` say, float32 [96000]."""
    return speak(SECONDS, seed=0).waveform


@pytest.fixture(scope="module")
def plain(score, pictures, voice, tmp_path_factory):
    """The verdict on pictures and voice in an ordinary file."""
    return score(write(tmp_path_factory.mktemp("plain") / "plain.mp4", pictures, voice))


@pytest.fixture(scope="module")
def uncalibrated(tmp_path_factory):
    """The embedded model without its calibration."""
    path, checkpoint = tmp_path_factory.mktemp("weights") / "model.safetensors", load_checkpoint(EMBEDDED)
    save_checkpoint(checkpoint.model, path, {"name": "temporal"})
    return path


def the_track(verdict):
    (track,) = verdict.tracks
    return track


def agreement(track):
    return track.checks["lips"].readings["agreement"].value


def assert_like(verdict, plain, within=0.6):
    """The same judgement: verdict, lag within a frame, and agreement closer than a dub's by far."""
    track = the_track(verdict)
    assert (verdict.verdict, verdict.reason) == (plain.verdict, None)
    assert abs(track.lag_ms - the_track(plain).lag_ms) <= 40
    assert agreement(track) == pytest.approx(agreement(the_track(plain)), abs=within)


class TestJudgement:
    def test_lips_fit_their_own_speech_better_than_a_dub(self, score, demo):
        in_sync, dubbed = (the_track(score(path)) for path in demo)
        assert agreement(in_sync) > agreement(dubbed) + 1
        assert in_sync.checks["lips"].p_value > dubbed.checks["lips"].p_value
        assert abs(in_sync.lag_ms) <= 40
        # The pictures are the same.
        detail = (track.checks["face"].readings["mouth_detail"].value for track in (in_sync, dubbed))
        assert next(detail) == pytest.approx(next(detail), abs=0.2)

    def test_the_verdict_says_what_was_read_and_by_what(self, score, demo, detector):
        verdict, track = score(demo[0]), the_track(score(demo[0]))
        assert (verdict.width, verdict.height, verdict.fps, verdict.audio_rate) == (384, 384, 25, 16_000)
        assert verdict.duration == pytest.approx(SECONDS, abs=0.1)
        assert (len(verdict.sha256), verdict.resampled, verdict.warnings) == (64, False, [])
        assert verdict.weights_sha256 == detector.weights_sha256
        assert verdict.trimmed_head == pytest.approx(0.16, abs=0.12)
        assert verdict.trimmed_tail == pytest.approx(0.2, abs=0.2)
        assert verdict.leading_silence == pytest.approx(0, abs=0.04)
        assert track.start == pytest.approx(verdict.trimmed_head, abs=0.05)
        assert track.end == pytest.approx(SECONDS - verdict.trimmed_tail, abs=0.12)
        left, top, right, bottom = track.box
        assert 0 < left < 192 < right < 384
        assert 0 < top < 192 < bottom < 384
        assert 3 < track.speech_seconds < track.end - track.start + 0.1

    def test_the_same_file_gets_the_same_verdict_again(self, score, demo):
        first, _, again = score(demo[0]), score(demo[1]), score(demo[0])
        assert first == again

    def test_the_level_decides(self, demo):
        lenient, strict = (Detector(level=level).score(demo[1]) for level in (1e-6, 0.999))
        assert (lenient.verdict, lenient.level) == ("consistent", 1e-6)
        assert (strict.verdict, strict.level) == ("suspicious", 0.999)
        assert (lenient.p_value, lenient.anomaly_score) == (strict.p_value, strict.anomaly_score)

    def test_the_rule_of_trimming(self, pictures, voice, uncalibrated, tmp_path):
        silence = np.zeros(RATE, np.float32)
        path = write(tmp_path / "late.mkv", pictures, np.concatenate([silence, voice[:-RATE]]), codec="pcm_s16le")
        default, paper, none = (Detector(uncalibrated, trim=trim).score(path) for trim in ("default", "paper", "none"))
        assert default.trimmed_head == pytest.approx(1.16, abs=0.12)
        assert paper.trimmed_head == pytest.approx(1.06, abs=0.03)
        assert (none.trimmed_head, none.trimmed_tail) == (0, 0)
        assert the_track(none).start == 0
        assert default.leading_silence == paper.leading_silence == none.leading_silence == pytest.approx(1, abs=0.04)

    @pytest.mark.parametrize("level", [0, 1, -0.1, 5, float("nan")])
    def test_a_level_that_is_no_share_is_a_usage_error(self, level):
        with pytest.raises(UsageError, match="between 0 and 1"):
            Detector(level=level)

    def test_a_trim_that_does_not_exist_is_a_usage_error(self):
        with pytest.raises(UsageError, match="default, paper, none"):
            Detector(trim="everything")

    def test_a_trim_that_the_calibration_was_not_made_with_is_a_usage_error_with_the_command(self):
        with pytest.raises(UsageError, match=r"^[^\n]*run avsync calibrate ROOT --trim paper[^\n]*$"):
            Detector(trim="paper")

    def test_a_device_can_be_chosen(self, score, demo):
        verdict = Detector(device="cpu").score(demo[0])
        assert verdict.anomaly_score == pytest.approx(score(demo[0]).anomaly_score, abs=1e-3)

    @pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
    def test_a_device_that_does_not_exist_is_a_usage_error(self, device):
        with pytest.raises(UsageError, match=f"device '{device}'.*write cpu"):
            Detector(device=device)

    def test_weights_that_cannot_be_used_are_a_usage_error(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            Detector(tmp_path / "none.safetensors")
        save_checkpoint(load_checkpoint(EMBEDDED).model, tmp_path / "new.safetensors", {"calibration": {}})
        with pytest.raises(UsageError, match="run avsync calibrate"):
            Detector(tmp_path / "new.safetensors")


class TestTheStretchThatStandsOut:
    BEGIN, END = 2.0, 4.0  # s

    @pytest.fixture(scope="class")
    def spliced(self, score, pictures, voice, tmp_path_factory):
        """Two seconds of what the same voice says elsewhere, on the same lips."""
        sound, other = voice.copy(), speak(SECONDS, seed=0, take=1).waveform
        place = slice(int(self.BEGIN * RATE), int(self.END * RATE))
        sound[place] = other[place]
        return score(write(tmp_path_factory.mktemp("spliced") / "spliced.mp4", pictures, sound))

    def test_is_where_the_lips_do_not_fit(self, spliced):
        found = spliced.standout
        assert (found.check, found.track) == ("lips", 0)
        shared = min(found.end, self.END) - max(found.start, self.BEGIN)
        assert shared > 0.5 * (max(found.end, self.END) - min(found.start, self.BEGIN))

    def test_is_less_likely_than_that_of_the_real_recording(self, spliced, plain):
        assert spliced.standout.p_value < 0.1 * plain.standout.p_value

    def test_decides_where_it_is_more_unusual_than_the_whole(self, spliced):
        assert spliced.rests_on_standout
        assert spliced.p_value == pytest.approx(spliced.standout.p_value / STRETCH_SHARE)
        assert spliced.p_value < spliced.whole_p_value

    def test_counts_nowhere_without_calibration(self, uncalibrated, demo):
        verdict = Detector(uncalibrated).score(demo[0])
        assert (verdict.whole_p_value, verdict.standout, verdict.rests_on_standout) == (None, None, False)


class TestChecks:
    @pytest.mark.parametrize("name", CHECKS)
    def test_one_alone_can_be_asked(self, detector, demo, name):
        alone, both = Detector(checks=name).score(demo[0]), detector.score(demo[0])
        assert Detector(checks=name).checks == tuple(alone.checks) == (name,)
        assert the_track(alone).checks.keys() == {name}
        assert alone.checks[name].p_value == alone.whole_p_value == both.checks[name].p_value
        assert alone.checks[name].readings == both.checks[name].readings
        assert (the_track(alone).lag_ms is None) == (name == "face")

    def test_all_of_them_are_asked_in_their_order(self, detector):
        assert detector.checks == Detector(checks="lips, face").checks == CHECKS

    @pytest.mark.parametrize("checks", ["hands", "lips,", ""])
    def test_one_that_does_not_exist_is_a_usage_error(self, checks):
        with pytest.raises(UsageError, match=r"must be one or more of lips, face, .*joined by commas"):
            Detector(checks=checks)

    def test_each_has_its_score_its_p_value_and_its_readings(self, score, demo):
        verdict = score(demo[0])
        for name, check in verdict.checks.items():
            decisive = verdict.decisive.checks[name]
            assert (check.anomaly_score, check.p_value) == (decisive.anomaly_score, decisive.p_value)
            assert check.readings == decisive.readings
        assert (verdict.whole_p_value, verdict.rests_on_standout) == (verdict.decisive.p_value, False)
        assert verdict.anomaly_score == pytest.approx(verdict.decisive.anomaly_score + log10(1 - STRETCH_SHARE))

    def test_each_keeps_every_window_with_its_score_and_p_value(self, score, demo):
        verdict = score(demo[0])
        track = the_track(verdict)
        for check in verdict.checks.values():
            assert {window.track for window in check.windows} == {track.track}
            assert check.windows[0].start == track.start
            assert check.windows[-1].end == pytest.approx(track.end)
            assert all(window.end - window.start <= 3 for window in check.windows)
            assert all(0 < window.p_value <= 1 and np.isfinite(window.anomaly_score) for window in check.windows)
        assert len({len(check.windows) for check in verdict.checks.values()}) == 1

    def test_without_calibration_windows_have_scores_and_no_p_values(self, uncalibrated, demo):
        verdict = Detector(uncalibrated).score(demo[0])
        assert (verdict.verdict, verdict.p_value) == ("measured", None)
        windows = [window for check in verdict.checks.values() for window in check.windows]
        assert windows
        assert {window.p_value for window in windows} == {None}
        assert verdict.warnings == ["not calibrated on real recordings: avsync calibrate does that"]


class TestArtefacts:
    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, detector, demo):
        return detector.score(demo[0], keep=("lattice", "mouths"))

    def test_are_arrays_of_each_face(self, kept):
        (arrays,) = kept.artefacts.values()
        count = len(arrays["times"])
        assert (arrays["lattice"].shape, arrays["lattice"].dtype) == ((count, 31), np.float32)
        assert (arrays["mouths"].shape, arrays["mouths"].dtype) == ((count, 96, 96), np.uint8)
        assert arrays["lag_curve"].shape == (31,)
        assert kept.artefacts.keys() == {the_track(kept).track}

    def test_have_the_times_of_the_windows(self, kept):
        times, track = kept.artefacts[0]["times"], the_track(kept)
        assert times[0] == track.start
        assert times[-1] == pytest.approx(track.end - 1 / FPS)
        np.testing.assert_allclose(np.diff(times), 1 / FPS)

    def test_the_lag_curve_is_highest_at_the_lag(self, kept):
        assert (np.nanargmax(kept.artefacts[0]["lag_curve"]) - 15) * 40 == the_track(kept).lag_ms

    def test_are_no_part_of_the_plain_verdict(self, kept, detector, demo):
        assert "artefacts" not in kept.to_dict()
        plain = detector.score(demo[0])
        assert plain.artefacts == {}
        assert kept == plain == Verdict.from_dict(kept.to_dict())

    @pytest.mark.parametrize(
        ("keep", "names"),
        [("lattice", {"times", "speech_share", "lattice", "lag_curve"}), ("mouths", {"times", "mouths"})],
    )
    def test_only_those_that_are_asked_for_are_kept(self, detector, demo, keep, names):
        assert detector.score(demo[0], keep=(keep,)).artefacts[0].keys() == names

    def test_one_that_does_not_exist_is_a_usage_error(self, detector, demo):
        known = "lattice, mouths, voice, appearance, figures, media"
        with pytest.raises(UsageError, match=f"^keep: unknown gradients; known: {known}$"):
            detector.score(demo[0], keep=("gradients",))


class TestScoring:
    def test_sound_beside_the_video_is_heard_in_its_place(self, detector, demo):
        own, beside = detector.score(demo[1]), detector.score(demo[0], audio=demo[1])
        assert agreement(the_track(beside)) == pytest.approx(agreement(the_track(own)), abs=0.3)
        assert beside.sha256 == detector.score(demo[0]).sha256

    def test_it_tells_how_far_it_is(self, detector, demo):
        told = []
        detector.score(demo[0], on_progress=lambda *step: told.append(step))
        assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["speech", "faces"]
        for stage in ("speech", "faces"):
            done, of = zip(*[(done, of) for name, done, of in told if name == stage], strict=True)
            assert list(done) == sorted(set(done))
            assert of == pytest.approx([SECONDS] * len(of), abs=0.1)
            assert done[-1] > SECONDS - 1.5


MASTER = 100  # pictures per second


@pytest.fixture(scope="module")
def fine():
    """Four seconds of the demo's face at 100 pictures a second, and its voice."""
    said, at = speak(4.0, seed=0), np.arange(4 * MASTER) / MASTER
    lips = (np.interp(at, (np.arange(100) + 0.5) / FPS, x).astype(np.float32) for x in (said.opening, said.width))
    return np.array([resized(picture[..., 1]) for picture in talk(*lips, seed=0)]), said.waveform


def shown(fine, times):
    return fine[0][np.minimum(np.rint(np.asarray(times) * MASTER).astype(int), len(fine[0]) - 1)]


@pytest.fixture(scope="module")
def at_25(fine, score, tmp_path_factory):
    return score(write(tmp_path_factory.mktemp("25") / "25.mp4", shown(fine, np.arange(100) / 25), fine[1]))


class TestFrameRates:
    @pytest.mark.parametrize("fps", [24, 30_000 / 1001, 30, 50, 60])
    def test_the_same_content_gets_the_same_judgement(self, fine, at_25, score, tmp_path, fps):
        path = write(tmp_path / "clip.mp4", shown(fine, np.arange(round(4 * fps)) / fps), fine[1], fps=fps)
        verdict = score(path)
        assert_like(verdict, at_25)
        assert verdict.resampled
        assert verdict.fps == pytest.approx(fps, rel=1e-4)

    def test_variable_frame_rate(self, fine, at_25, score, tmp_path):
        times = np.cumsum(np.random.default_rng(0).integers(15, 60, 105)) / 1000
        times = times[times < 3.98] - times[0]
        assert_like(score(write(tmp_path / "clip.mkv", shown(fine, times), fine[1], times=times)), at_25, within=1)

    def test_few_pictures_a_second_are_warned_of(self, fine, score, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", shown(fine, np.arange(48) / 12), fine[1], fps=12))
        assert verdict.warnings == ["only 12 pictures per second: lips are judged less surely"]


class TestFilesOfAnyKind:
    @pytest.mark.parametrize(
        "recipe",
        [
            {"rate": 8000},
            {"rate": 22_050},
            {"rate": 44_100, "layout": "stereo"},
            {"rate": 48_000, "layout": "5.1"},
            {"rate": 48_000, "codec": "libopus", "layout": "stereo"},
        ],
        ids=str,
    )
    def test_sound_of_any_rate_and_layout(self, score, pictures, voice, plain, tmp_path, recipe):
        assert_like(score(write(tmp_path / "clip.mp4", pictures, voice, **recipe)), plain)

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
    @pytest.mark.parametrize(
        ("recipe", "lag"),
        [({"sound_at": 0.12}, 120), ({"times": 0.12 + np.arange(150) / FPS}, -120)],
        ids=["late", "early"],
    )
    def test_sound_that_is_late_or_early_is_reported_as_lag(
        self, score, pictures, voice, plain, tmp_path, name, recipe, lag
    ):
        verdict = score(write(tmp_path / name, pictures, voice, **recipe))
        assert the_track(verdict).lag_ms - the_track(plain).lag_ms == pytest.approx(lag, abs=40)
        assert (verdict.verdict, verdict.warnings) == (plain.verdict, [])
        assert agreement(the_track(verdict)) == pytest.approx(agreement(the_track(plain)), abs=0.6)

    def test_a_long_lag_is_warned_of(self, score, pictures, voice, tmp_path):
        verdict = score(write(tmp_path / "late.mp4", pictures, voice, sound_at=0.32))
        assert the_track(verdict).lag_ms == pytest.approx(320, abs=40)
        assert verdict.warnings == [
            f"the sound comes {the_track(verdict).lag_ms:.0f} ms after the lips: more than most real files"
        ]

    def test_sound_shorter_than_the_pictures(self, score, pictures, voice, plain, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", pictures, voice[: 3 * RATE]))
        assert_like(verdict, plain, within=1)
        assert the_track(verdict).end == pytest.approx(3.0, abs=0.15)

    def test_sound_longer_than_the_pictures(self, score, pictures, voice, plain, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", pictures, np.concatenate([voice, voice])))
        assert_like(verdict, plain)
        assert the_track(verdict).end == pytest.approx(SECONDS, abs=0.05)

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_rotation_flag(self, score, pictures, voice, plain, tmp_path, degrees):
        """The header asks to turn clockwise what is stored the other way round (ISO 14496-12, section 8.3.2)."""
        path = write(tmp_path / "clip.mp4", np.rot90(pictures, degrees // 90, axes=(1, 2)), voice)
        a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        data[at : at + 20] = struct.pack(">5i", a << 16, b << 16, 0, -b << 16, a << 16)
        path.write_bytes(data)
        verdict = score(path)
        assert_like(verdict, plain)
        np.testing.assert_allclose(the_track(verdict).box, the_track(plain).box, atol=2)

    @needs_ffmpeg
    def test_an_edit_list_that_cuts_between_keyframes(self, score, pictures, voice, plain, tmp_path):
        whole, cut = write(tmp_path / "whole.mp4", pictures, voice), tmp_path / "cut.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-ss", "1.4", "-i", whole, "-c", "copy", cut], check=True)
        verdict = score(cut)
        assert_like(verdict, plain)
        assert the_track(verdict).end == pytest.approx(the_track(plain).end - 1.4, abs=0.1)

    def test_any_name(self, score, pictures, voice, plain, tmp_path):
        path = write(tmp_path / "clip.mp4", pictures, voice).rename(tmp_path / "здравствуй 你好 é #1.mp4")
        assert_like(score(path), plain)


class TestWhatIsNotSeen:
    """Pictures that do not change, and gaps without any, are no evidence."""

    @pytest.mark.parametrize("rate", [1, 2, 5, 8])
    def test_a_low_frame_rate_is_refused(self, score, pictures, voice, tmp_path, rate):
        times = np.arange(0, SECONDS, 1 / rate)
        shown = pictures[np.rint(times * FPS).astype(int)]
        verdict = score(write(tmp_path / "clip.mkv", shown, voice, times=times))
        assert verdict.reason is Reason.LOW_FRAME_RATE
        assert verdict.detail.startswith(f"the picture changes {rate}.")
        assert verdict.picture_rate == pytest.approx(rate, rel=0.1)

    @pytest.mark.parametrize("repeats", [3, 5])
    def test_a_low_frame_rate_in_a_file_of_25_pictures_per_second_is_refused(
        self, score, pictures, voice, tmp_path, repeats
    ):
        shown = np.repeat(pictures[::repeats], repeats, axis=0)
        verdict = score(write(tmp_path / "clip.mkv", shown, voice, options=LOSSLESS))
        assert (verdict.reason, verdict.fps) == (Reason.LOW_FRAME_RATE, 25)
        assert verdict.picture_rate == pytest.approx(25 / repeats, rel=0.1)

    def test_a_photograph_is_refused(self, score, pictures, voice, tmp_path):
        photo = np.repeat(pictures[:1], 150, axis=0)
        verdict = score(write(tmp_path / "clip.mkv", photo, voice, options=LOSSLESS))
        assert (verdict.reason, verdict.picture_rate, verdict.repeated_share) == (Reason.LOW_FRAME_RATE, None, 1)
        assert verdict.detail == f"the picture stands still for {verdict.frozen_seconds:.1f} s while somebody speaks"
        assert verdict.frozen_seconds == pytest.approx(SECONDS - verdict.trimmed_head - verdict.trimmed_tail, abs=0.05)

    def test_a_photograph_that_the_encoder_changes_a_little_is_refused(self, score, pictures, voice, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", np.repeat(pictures[:1], 150, axis=0), voice))
        assert verdict.reason is Reason.LOW_FRAME_RATE
        assert verdict.detail == "the picture hardly ever moves while somebody speaks"

    @pytest.mark.parametrize("begin", [0, 3, 9])
    def test_a_face_that_freezes_soon_and_for_good_is_refused(self, score, pictures, voice, tmp_path, begin):
        frozen = np.concatenate([pictures[: begin + 4], np.repeat(pictures[begin + 3 : begin + 4], 140, axis=0)])
        assert score(write(tmp_path / "clip.mkv", frozen, voice, options=LOSSLESS)).verdict == "cannot_judge"

    def test_a_face_that_moves_after_a_photograph_is_judged_alone(self, score, pictures, voice, plain, tmp_path):
        shown = pictures.copy()
        shown[:50] = pictures[50]
        verdict = score(write(tmp_path / "clip.mkv", shown, voice, options=LOSSLESS))
        assert the_track(verdict).start == pytest.approx(2.04, abs=0.05)
        assert verdict.frozen_seconds == pytest.approx(2.04 - verdict.trimmed_head, abs=0.05)
        assert_like(verdict, plain)

    def test_a_freeze_is_left_out_with_a_warning(self, score, pictures, voice, plain, tmp_path):
        frozen = pictures.copy()
        frozen[60:100] = pictures[60]
        verdict = score(write(tmp_path / "clip.mkv", frozen, voice, options=LOSSLESS))
        first, second = verdict.tracks
        assert first.end == pytest.approx(2.44, abs=0.05)
        assert second.start == pytest.approx(4.0, abs=0.05)
        assert verdict.frozen_seconds == pytest.approx(1.6, abs=0.1)
        assert verdict.warnings == ["the picture stands still for 1.6 s, which are left out"]
        assert all(agreement(track) > agreement(the_track(plain)) - 1 for track in verdict.tracks)

    @pytest.mark.parametrize("gap", [30.0, 595.0])
    def test_a_gap_in_pictures_and_sound_is_left_out_with_a_warning(self, score, pictures, voice, tmp_path, gap):
        """Within seconds, though the file is ten minutes long by its times."""
        path = tmp_path / "gap.mkv"
        write_with_gap(path, write(tmp_path / "whole.mkv", pictures, voice, codec="pcm_s16le"), 3.0, gap)
        begin = time.perf_counter()
        verdict = score(path)
        assert time.perf_counter() - begin < 8
        first, second = verdict.tracks
        assert first.end == pytest.approx(3, abs=0.1)
        assert second.start == pytest.approx(3 + gap, abs=0.1)
        assert second.end - second.start < 3.1
        assert verdict.audio_gap_seconds == pytest.approx(gap, abs=0.1)
        assert verdict.video_gap_seconds == pytest.approx(gap, abs=0.1)
        assert any("gaps" in warning for warning in verdict.warnings)

    def test_much_damage_is_refused(self, score, pictures, voice, tmp_path):
        whole = write(tmp_path / "whole.mp4", pictures, voice, options={"preset": "ultrafast", "g": "5"})
        data, chance = bytearray(whole.read_bytes()), np.random.default_rng(0)
        with av.open(str(whole)) as file:
            for packet in file.demux(video=0):
                if packet.size and chance.random() < 0.5:
                    data[packet.pos + 8 : packet.pos + packet.size] = chance.bytes(packet.size - 8)
        (tmp_path / "clip.mp4").write_bytes(data)
        verdict = score(tmp_path / "clip.mp4")
        assert verdict.reason is Reason.DAMAGED
        assert verdict.decode_errors > 10

    def test_facts_of_an_ordinary_file_are_whole(self, plain):
        assert plain.picture_rate == pytest.approx(25, abs=1)
        assert plain.repeated_share < 0.1
        assert (plain.frozen_seconds, plain.video_gap_seconds, plain.audio_gap_seconds) == (0, 0, 0)
        assert (plain.decode_errors, plain.missing_fragments) == (0, 0)
        assert plain.length_difference == pytest.approx(0, abs=0.1)

    def test_facts_of_a_file_that_was_not_decoded_are_unknown(self, score, pictures, tmp_path):
        verdict = score(write(tmp_path / "clip.mp4", pictures[:25], None))
        facts = (verdict.picture_rate, verdict.frozen_seconds, verdict.audio_gap_seconds, verdict.decode_errors)
        assert facts == (None, None, None, None)


def write_with_gap(path, whole, at, gap):
    """Copy a file; everything from `at` (s) on comes `gap` seconds later."""
    with av.open(str(whole)) as source, av.open(str(path), "w") as file:
        streams = [file.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is not None:
                shift = round(gap / packet.time_base) * (packet.dts * packet.time_base >= at)
                packet.pts, packet.dts, packet.stream = (
                    packet.pts + shift,
                    packet.dts + shift,
                    streams[packet.stream_index],
                )
                file.mux(packet)


class TestWhatIsSeen:
    def test_a_face_lost_for_seconds(self, score, pictures, voice, tmp_path):
        gone = pictures.copy()
        gone[60:100] = 128
        verdict = score(write(tmp_path / "clip.mp4", gone, voice))
        first, second = verdict.tracks
        assert first.end == pytest.approx(2.4, abs=0.05)
        assert second.start == pytest.approx(4.0, abs=0.45)
        assert all(abs(track.lag_ms) <= 40 and agreement(track) > -0.5 for track in verdict.tracks)

    def test_of_two_faces_the_one_that_talks_decides(self, score, pictures, voice, tmp_path):
        listener = np.roll(pictures, 40, axis=0)
        for order in ((pictures, listener), (listener, pictures)):
            verdict = score(write(tmp_path / "clip.mp4", np.concatenate(order, axis=2), voice))
            talker = next(track for track in verdict.tracks if track.track == verdict.decisive_track)
            assert len(verdict.tracks) == 2
            assert (talker.box[0] < SIDE) == (order[0] is pictures)
            assert verdict.whole_p_value == talker.p_value
            assert abs(talker.lag_ms) <= 40

    def test_a_cut_makes_two_tracks(self, score, pictures, voice, tmp_path):
        other = np.ascontiguousarray(255 - (255 - pictures[75:, :, ::-1].astype(int)) // 2).astype(np.uint8)
        verdict = score(write(tmp_path / "clip.mp4", np.concatenate([pictures[:75], other]), voice))
        first, second = verdict.tracks
        assert (first.end, second.start) == (pytest.approx(3.0, abs=0.01), pytest.approx(3.0, abs=0.01))
        assert all(abs(track.lag_ms) <= 40 and agreement(track) > -0.5 for track in verdict.tracks)

    def test_pictures_a_few_pixels_high(self, score, voice, tmp_path):
        for height, width in ((2, 2), (2, 640), (640, 2), (16, 16)):
            flat = np.full((50, height, width), 90, np.uint8)
            assert score(write(tmp_path / "clip.mp4", flat, voice)).reason is Reason.NO_FACE


class TestRefusals:
    @pytest.fixture
    def refused(self, score, tmp_path):
        def reason(pictures, sound, name="clip.mp4", **recipe):
            verdict = score(write(tmp_path / name, pictures, sound, **recipe))
            assert (verdict.verdict, verdict.p_value, verdict.decisive_track) == ("cannot_judge", None, None)
            assert "\n" not in verdict.detail
            return verdict.reason, verdict.detail

        return reason

    def test_no_sound(self, refused, pictures):
        assert refused(pictures, None) == (Reason.NO_AUDIO, "the file has no sound")

    @pytest.mark.parametrize("cover", [False, True], ids=["sound alone", "with a cover"])
    def test_no_pictures(self, score, voice, tmp_path, cover):
        with av.open(str(tmp_path / "song.mp3"), "w") as file:
            audio = file.add_stream("libmp3lame", rate=RATE)
            if cover:
                image = file.add_stream("png", rate=1)
                image.width, image.height, image.pix_fmt = 16, 16, "rgb24"
                image.disposition = Disposition.attached_pic
                file.mux(image.encode(av.VideoFrame(16, 16, "rgb24")))
            block = av.AudioFrame.from_ndarray(voice[None], format="fltp", layout="mono")
            block.sample_rate = RATE
            file.mux(audio.encode(block) + audio.encode(None))
        verdict = score(tmp_path / "song.mp3")
        assert (verdict.reason, verdict.detail) == (Reason.NO_VIDEO, "the file has no moving picture")
        assert (verdict.audio_rate, verdict.width) == (RATE, 0)
        assert {check.reason for check in verdict.checks.values()} == {Reason.NO_VIDEO}

    def test_a_sound_without_samples(self, score, pictures, tmp_path):
        verdict = score(write(tmp_path / "clip.mkv", pictures[:50], np.zeros(0, np.float32), codec="pcm_s16le"))
        assert verdict.reason in (Reason.NO_AUDIO, Reason.NO_SPEECH)
        assert verdict.leading_silence is None

    def test_nobody_is_seen(self, refused, pictures, voice):
        assert refused(np.full_like(pictures, 90), voice)[0] is Reason.NO_FACE
        noise = np.random.default_rng(0).integers(0, 256, pictures.shape, np.uint8)
        assert refused(noise, voice)[0] is Reason.NO_FACE

    def test_nobody_is_seen_while_somebody_speaks(self, refused, pictures, voice):
        empty = np.full_like(pictures, 90)
        empty[:45] = pictures[:45]
        silent = voice.copy()
        silent[: 2 * RATE] = 0
        assert refused(empty, silent)[0] is Reason.NO_FACE

    @pytest.mark.parametrize("level", [0.0, 0.001, 0.1], ids=["digital zero", "room tone", "loud noise"])
    def test_nobody_speaks(self, refused, pictures, level):
        noise = level * np.random.default_rng(0).standard_normal(round(SECONDS * RATE)).astype(np.float32)
        assert refused(pictures, noise)[0] is Reason.NO_SPEECH

    def test_hardly_anybody_speaks(self, refused, pictures, voice):
        """Words in the first and last moments hold too little speech, however long the file."""
        words = voice.copy()
        words[round(0.35 * RATE) : round(5.65 * RATE)] = 0
        assert refused(pictures, words)[0] is Reason.NO_SPEECH

    def test_too_short(self, refused, pictures, voice):
        """A third of a second is not enough, whether or not speech is found in it."""
        reason, _ = refused(pictures[20:28], voice[round(0.8 * RATE) : round(1.12 * RATE)])
        assert reason in (Reason.TOO_SHORT, Reason.NO_SPEECH)
        assert refused(pictures[10:40], voice[round(0.4 * RATE) : round(1.6 * RATE)])[0] is Reason.TOO_SHORT

    def test_a_face_too_small_to_read_lips_from(self, refused, pictures, voice):
        reason, detail = refused([resized(picture, 66) for picture in pictures], voice)
        assert reason is Reason.LOW_RESOLUTION
        assert "pixels wide" in detail

    def test_no_media_file(self, score, tmp_path):
        (tmp_path / "empty.mp4").touch()
        (tmp_path / "text.mp4").write_text("Not a film.\n" * 99)
        (tmp_path / "folder.mp4").mkdir()
        for name in ("empty.mp4", "text.mp4", "folder.mp4", "missing.mp4", "nul\0.mp4", "x" * 300):
            verdict = score(tmp_path / name)
            assert (verdict.reason, verdict.sha256) == (Reason.UNREADABLE, "")
            assert "\n" not in verdict.detail

    def test_a_path_may_be_text(self, detector, tmp_path):
        assert detector.score(str(tmp_path / "missing.mp4")).detail == "no such file"


class TestDamage:
    def test_truncated_without_its_index(self, score, pictures, voice, tmp_path):
        path = write(tmp_path / "clip.mp4", pictures, voice)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        assert score(path).reason is Reason.UNREADABLE

    @pytest.mark.parametrize(
        ("name", "container"), [("clip.mp4", {"movflags": "faststart"}), ("clip.mkv", {})], ids=["mp4", "mkv"]
    )
    def test_truncated_what_is_left_is_judged_with_a_warning(
        self, score, pictures, voice, plain, tmp_path, name, container
    ):
        path = write(tmp_path / name, pictures, voice, container=container)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        verdict = score(path)
        assert_like(verdict, plain, within=1)
        assert the_track(verdict).end < 5
        if name == "clip.mp4":  # only its index tells how long it was
            assert any("truncated" in warning for warning in verdict.warnings)

    @pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
    def test_flipped_bits_never_raise_or_hang(self, score, pictures, voice, tmp_path, name):
        whole = write(tmp_path / name, pictures[:75], voice[: 3 * RATE]).read_bytes()
        for seed in range(8):
            chance, data = random.Random(seed), bytearray(whole)
            for _ in range(4**seed if seed < 5 else 64):
                place = chance.choice([chance.randrange(len(data)), chance.randrange(-500, 500)])
                data[place] ^= 1 << chance.randrange(8)
            (tmp_path / name).write_bytes(data)
            score(tmp_path / name)

    @pytest.mark.parametrize(("kept", "refused"), [(0.99, False), (0.85, True)])
    def test_sound_with_holes_all_over_is_refused(self, score, pictures, voice, tmp_path, kept, refused):
        chance, holed = random.Random(0), tmp_path / "holed.mp4"
        with av.open(str(write(tmp_path / "clip.mp4", pictures, voice))) as before, av.open(str(holed), "w") as after:
            streams = {stream.index: after.add_stream_from_template(stream) for stream in before.streams}
            for packet in before.demux():
                if packet.dts is not None and (packet.stream.type == "video" or chance.random() < kept):
                    packet.stream = streams[packet.stream_index]
                    after.mux(packet)
        verdict = score(holed)
        assert (verdict.reason is Reason.DAMAGED) == refused
        if refused:
            assert re.match(r"\d\d% of the sound is missing, in \d+ places; at most 5% may be damaged", verdict.detail)


@pytest.fixture(scope="module")
def spread():
    """The standard deviation, on real recordings of a length (s), of every number that a verdict rests on."""
    calibration = load_setup().calibration

    def of(seconds):
        def deviation(table, lengths):
            return float(at_length(table, lengths, seconds).std())

        joint = calibration.joint["face", "lips"]
        readings = {
            name: deviation(table, reference.seconds)
            for reference in calibration.references.values()
            for name, table in reference.readings.items()
        }
        return {**readings, "anomaly_score": deviation(joint.scores, joint.seconds), "p": float(SHARES.std())}

    return of


@pytest.fixture(scope="module", params=[1.0, 0.2], ids=["usual voice", "quiet voice"])
def lossless(request, score, pictures, voice, tmp_path_factory):
    """Pictures and sound of a clip that ends within a word, and its verdict."""
    part = pictures[:88], request.param * voice[: round(3.5 * RATE)]
    path = tmp_path_factory.mktemp("lossless") / "plain.mkv"
    return *part, score(write(path, *part, codec="pcm_s16le", options=LOSSLESS))


def surrounded(path, pictures, voice, seconds, level, where, how):
    """The clip with `seconds` of noise at `level` and frozen or looped pictures around it, without any loss."""
    count, rng = round(seconds * FPS), np.random.default_rng(0)
    seen, heard = [pictures], [voice]
    if where != "after":
        seen.insert(0, np.repeat(pictures[:1], count, axis=0) if how == "frozen" else pictures[-count:])
        heard.insert(0, level * rng.standard_normal(round(seconds * RATE)))
    if where != "before":
        seen.append(np.repeat(pictures[-1:], count, axis=0) if how == "frozen" else pictures[:count])
        heard.append(level * rng.standard_normal(round(seconds * RATE)))
    return write(path, np.concatenate(seen), np.concatenate(heard), codec="pcm_s16le", options=LOSSLESS)


def numbers(verdict):
    """Every number that a verdict on one track rests on."""
    checks = the_track(verdict).checks
    readings = {name: reading.value for check in checks.values() for name, reading in check.readings.items()}
    p_values = {f"p of {name}": check.p_value for name, check in checks.items()}
    return {**readings, **p_values, "anomaly_score": verdict.anomaly_score}


class TestSilence:
    """Silence put before or after a clip moves no score by 5 % of the standard deviation of real clips' scores."""

    @pytest.mark.parametrize("seconds", [0.04, 0.52, 2.0])
    @pytest.mark.parametrize("level", [0.0, 0.0008, 0.001], ids=["digital zero", "room tone", "-60 dB"])
    @pytest.mark.parametrize("where", ["before", "after", "both"])
    def test_moves_no_score(self, score, lossless, spread, tmp_path, seconds, level, where):
        *clip, plain = lossless
        how = "looped" if where == "after" or (where == "both" and not level) else "frozen"
        verdict = score(surrounded(tmp_path / "clip.mkv", *clip, seconds, level, where, how))
        track, after = the_track(plain), numbers(verdict)
        spreads = spread(track.end - track.start)
        for name, before in numbers(plain).items():
            assert abs(after[name] - before) < 0.05 * spreads[name.split()[0]], name
        assert verdict.verdict == plain.verdict
        assert the_track(verdict).lag_ms == track.lag_ms


class TestLongFiles:
    @pytest.fixture
    def looped(self, pictures, voice, tmp_path):
        """Writes the clip over and over, without encoding it again."""
        once = write(tmp_path / "once.mkv", pictures, voice, codec="pcm_s16le")

        def write_loop(times):
            path = tmp_path / f"{times}.mkv"
            with av.open(str(path), "w") as file:
                for index in range(times):
                    with av.open(str(once)) as source:
                        if index == 0:
                            streams = [file.add_stream_from_template(stream) for stream in source.streams]
                        for packet in source.demux():
                            if packet.dts is None:
                                continue
                            shift = round(index * SECONDS / packet.time_base)
                            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                            packet.stream = streams[packet.stream.index]
                            file.mux(packet)
            return path

        return write_loop

    @pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
    def test_memory_does_not_grow_with_the_file(self, looped, plain):
        """Read in a process of its own: `ru_maxrss` would start at that of the parent process.

        Torch compiles for a file or two, so another file comes first. The minute between the files has 55 MB of
        pictures.
        """
        script = (
            "import re, sys; from avsync import Detector; from pathlib import Path\n"
            "detector = Detector(Path(sys.argv[1]))\n"
            "for path in sys.argv[2:]:\n"
            "    (track,) = detector.score(path).tracks\n"
            "    (peak,) = re.findall(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())\n"
            "    print(track.start, track.end, track.lag_ms, peak)\n"
        )
        command = [sys.executable, "-c", script, EMBEDDED, looped(4), looped(12), looped(22)]
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "4000000"}  # glibc gives back what is freed
        run = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, env=environment)
        _, short, long = (list(map(float, line.split())) for line in run.stdout.splitlines())
        assert short[:3] == pytest.approx([the_track(plain).start, 72 - 0.15, the_track(plain).lag_ms], abs=0.2)
        assert long[:3] == pytest.approx([the_track(plain).start, 132 - 0.15, the_track(plain).lag_ms], abs=0.2)
        assert long[3] < 1.5e6  # kB
        assert long[3] - short[3] < 40e3
