"""What the voice check promises with a tiny model: clips of sound, windows, refusals, models, calibration, reports.

The stand-in (`stand_in_voice.StandIn`) finds a voice odd that is loud above 6 kHz.
"""

import csv
import json
from io import StringIO

import numpy as np
import pytest
import stand_in_voice
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, resample_poly, sosfilt
from stand_in_voice import StandIn, StandInConfig
from talking import face, people, voice, voxceleb, write

import avsync.checks.load as loading
from avsync import Detector
from avsync.align import TemporalAligner, TemporalConfig
from avsync.calibrate import calibrate
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.checks.load import load_setup
from avsync.checks.registry import CHECKS
from avsync.checks.voice import VoiceCheck
from avsync.clip import SAMPLES, SoundClip
from avsync.datasets import REAL_TYPE, ClipRecord
from avsync.datasets.splits import calibration_records
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.media import FPS, RATE
from avsync.reconstruct.channel import in_room
from avsync.recording import open_recording
from avsync.report import print_table, print_verdict, to_csv, to_html, to_json
from avsync.score.readings import READINGS
from avsync.score.readings.voice import VoiceWindow
from avsync.score.verdict import Peak, Verdict
from avsync.voice.interface import VoiceReading

ALL = ("face", "lips", "voice")


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory):
    """The check is in the registry, and its embedded model is a stand-in."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in_voice.register(patch)
        patch.setitem(CHECKS, "voice", stand_in_voice.VOICE)
        embedded = stand_in_voice.save(tmp_path_factory.mktemp("assets") / "voice.safetensors")
        patch.setitem(loading._EMBEDDED, "voice", embedded)
        yield embedded


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def video_file(folder):
    """Three seconds of a talking face."""
    return write(folder / "talking.mkv", face(), voice(), codec="pcm_s16le")


@pytest.fixture(scope="module")
def sound_file(folder):
    """Nine seconds of a voice, without a picture."""
    return write(folder / "voice.wav", None, voice(9.0), codec="pcm_s16le")


@pytest.fixture(scope="module")
def hissing_file(folder):
    """The same voice, with a hiss above 6 kHz while it speaks in the second of three windows."""
    return write(folder / "hissing.wav", None, hissing(voice(9.0), 3.2, 5.8), codec="pcm_s16le")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A VoxCeleb2 tree: a clip each of four people who calibrate."""
    return voxceleb(tmp_path_factory.mktemp("people"), people("calibrate", 4))


@pytest.fixture(scope="module")
def calibrated(tree, tmp_path_factory):
    """A checkpoint of the embedded lips, calibrated for lips, face and voice on four people."""
    output = tmp_path_factory.mktemp("calibrated") / "all.safetensors"
    calibrate(calibration_records(tree), load_setup(calibrating=True), output, fewest_people=4)
    return output


def hissing(waveform, begin, end):
    """The waveform with a hiss above 6.5 kHz that comes and goes with it."""
    noise = np.random.default_rng(0).normal(0, 1.0, len(waveform))
    hiss = sosfilt(butter(8, 6500, "high", fs=RATE, output="sos"), noise * np.abs(waveform))
    span = slice(round(begin * RATE), round(end * RATE))
    changed = waveform.copy()
    changed[span] += hiss[span].astype(np.float32)
    return changed


def window(waveform, start=0.0):
    share = np.ones(len(waveform) // SAMPLES, np.float32)
    return SoundClip(start, waveform[: len(share) * SAMPLES].astype(np.float32), share)


def check():
    return VoiceCheck(StandIn(StandInConfig()))


class TestSoundClips:
    def test_are_the_sound_from_the_first_to_the_last_speech(self, sound_file):
        recording = open_recording(sound_file)
        (clip,) = recording.sound_clips()
        activity = recording.activity
        assert activity.start - 1 / FPS < clip.start <= activity.start
        assert activity.stop <= clip.start + len(clip) / FPS < activity.stop + 1 / FPS
        begin = round(clip.start * RATE)
        np.testing.assert_allclose(clip.waveform, voice(9.0)[begin : begin + len(clip.waveform)], atol=1e-3)
        np.testing.assert_array_equal(clip.speech_share, activity.on_frames(clip.start, len(clip)))

    def test_of_long_sound_are_of_like_length_and_follow_each_other(self, sound_file):
        recording = open_recording(sound_file)
        (whole,) = recording.sound_clips()
        parts = list(recording.sound_clips(seconds=2))
        assert len(parts) == 5
        assert max(map(len, parts)) <= 2 * FPS
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert parts[0].start == whole.start
        for name in ("waveform", "speech_share"):
            np.testing.assert_allclose(
                np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name), atol=1e-6
            )

    def test_are_sliced_with_their_sound(self, sound_file):
        (clip,) = open_recording(sound_file).sound_clips()
        part = clip[20:45]
        assert (part.start, len(part)) == (clip.start + 20 / FPS, 25)
        np.testing.assert_array_equal(part.waveform, clip.waveform[20 * SAMPLES : 45 * SAMPLES])
        np.testing.assert_array_equal(part.speech_share, clip.speech_share[20:45])

    def test_of_a_video_decode_no_pictures(self, video_file, monkeypatch):
        monkeypatch.setattr("avsync.watch.frames", lambda *_: pytest.fail("pictures were decoded"))
        (clip,) = open_recording(video_file).sound_clips()
        assert len(clip) > 2 * FPS

    @pytest.mark.parametrize(
        ("pictures", "sound", "reason"),
        [(face()[:25], None, Reason.NO_AUDIO), (None, np.zeros(3 * RATE, np.float32), Reason.NO_SPEECH)],
    )
    def test_are_refused_where_there_is_no_speech(self, tmp_path, pictures, sound, reason):
        recording = open_recording(write(tmp_path / "clip.mkv", pictures, sound))
        with pytest.raises(CannotJudge, match=f"^{reason}"):
            list(recording.sound_clips())

    def test_of_damaged_sound_are_refused_at_the_end(self, sound_file, monkeypatch):
        recording = open_recording(sound_file)
        _ = recording.activity
        monkeypatch.setattr(type(recording.sound.facts), "damaged_share", property(lambda _: 0.2))
        with pytest.raises(CannotJudge, match=r"^damaged: 20% of the sound cannot be decoded"):
            list(recording.sound_clips())

    def test_tell_how_far_they_are(self, sound_file):
        told = []
        recording = open_recording(sound_file, on_progress=lambda *step: told.append(step))
        list(recording.sound_clips(seconds=3))
        stages, done, of = zip(*told[-3:], strict=True)
        assert stages == ("voice",) * 3
        assert list(done) == sorted(done)
        assert done[-1] == pytest.approx(recording.activity.stop, abs=1 / FPS)
        assert of == pytest.approx([9.0] * 3, abs=0.1)


class TestReadings:
    def test_the_anomaly_is_what_the_model_says(self):
        assert READINGS["voice_anomaly"].read(VoiceWindow(voice(), 3.25)) == 3.25
        assert READINGS["voice_anomaly"].odd == "high"

    @pytest.mark.parametrize("rate", [4000, 6000, 8000, 12_000])
    def test_the_bandwidth_is_half_the_rate_that_the_sound_once_had(self, rate):
        """White noise under the voice, as of a room, fills the band."""
        noise = np.random.default_rng(0).normal(0, 0.003, 3 * RATE)
        narrow = resample_poly(resample_poly(voice() + noise, rate, RATE), RATE, rate).astype(np.float32)
        assert READINGS["bandwidth"].read(VoiceWindow(narrow, 0.0)) == pytest.approx(rate / 2, rel=0.16)

    @settings(deadline=None, max_examples=20)
    @given(gain=st.floats(0.02, 5.0))
    def test_the_bandwidth_does_not_depend_on_the_loudness(self, gain):
        quiet = np.asarray(gain * voice(), np.float32)
        assert READINGS["bandwidth"].read(VoiceWindow(quiet, 0.0)) == pytest.approx(
            READINGS["bandwidth"].read(VoiceWindow(voice(), 0.0)), abs=100
        )

    def test_silence_has_no_bandwidth(self):
        assert READINGS["bandwidth"].read(VoiceWindow(np.zeros(3 * RATE, np.float32), 0.0)) == 0.0

    @pytest.mark.parametrize("reverberation", [0.2, 0.4, 0.8])
    def test_the_decay_rate_is_that_of_the_room(self, reverberation):
        """Bursts of noise that fall by 60 dB in the reverberation time; noise itself goes up and down by a few dB."""
        falls = 10 ** (-3 * (np.arange(3 * RATE) % RATE) / RATE / reverberation)
        bursts = (falls * np.random.default_rng(0).normal(0, 0.1, 3 * RATE)).astype(np.float32)
        assert 60 / reverberation < READINGS["decay_rate"].read(VoiceWindow(bursts, 0.0)) < 60 / reverberation + 90

    def test_the_decay_rate_falls_with_the_echo(self):
        rooms = [in_room(voice(), decay, 3.0, np.random.default_rng(0)) for decay in (0.1, 0.3, 0.6, 1.0)]
        rates = [READINGS["decay_rate"].read(VoiceWindow(sound, 0.0)) for sound in (voice(), *rooms)]
        assert rates == sorted(rates, reverse=True)

    @settings(deadline=None, max_examples=20)
    @given(gain=st.floats(0.02, 5.0))
    def test_the_decay_rate_does_not_depend_on_the_loudness(self, gain):
        rate = READINGS["decay_rate"].read(VoiceWindow(voice(), 0.0))
        assert READINGS["decay_rate"].read(VoiceWindow(np.float32(gain) * voice(), 0.0)) == pytest.approx(
            rate, rel=0.01
        )

    def test_silence_does_not_fall(self):
        assert READINGS["decay_rate"].read(VoiceWindow(np.zeros(3 * RATE, np.float32), 0.0)) == 0.0


class TestTheCheck:
    def test_a_window_has_its_place_and_its_readings(self):
        found = check().measure(window(voice(), start=4.0)[10:60])
        assert list(found.readings) == ["voice_anomaly", "bandwidth", "decay_rate", "sound_range"]
        assert np.isfinite(list(found.readings.values())).all()
        assert (found.track, found.box, found.start, found.seconds, found.speech_seconds) == (None, None, 4.4, 2.0, 2.0)

    def test_a_window_has_its_map_with_its_axes(self):
        found = check().measure(window(voice(), start=4.0))
        rows, columns = found.artefacts["voice_map"].shape
        assert found.artefacts["voice_frequencies"].shape == (rows,)
        assert found.artefacts["voice_times"].shape == (columns,)
        assert 4.0 < found.artefacts["voice_times"][0] < found.artefacts["voice_times"][-1] < 7.0

    def test_a_window_of_a_face_is_measured_by_its_sound(self, video_file):
        (clip,) = open_recording(video_file).face_clips()
        alone = SoundClip(clip.start, clip.waveform, clip.speech_share)
        assert check().measure(clip[:50]).readings == check().measure(alone[:50]).readings

    def test_short_and_silent_windows_are_left_out(self):
        clip = window(voice())
        assert list(check().windows(clip[:36])) == []
        assert list(check().windows(SoundClip(0.0, clip.waveform, 0 * clip.speech_share))) == []
        assert len(list(check().windows(clip))) == 1

    def test_windows_in_which_a_voice_cannot_be_heard_well_are_left_out(self):
        noise = np.random.default_rng(0).normal(0, 0.2, 3 * RATE)
        narrow = resample_poly(resample_poly(voice(), 1, 4), 4, 1)
        echo = in_room(voice(), 0.8, 0.0, np.random.default_rng(0))
        good, drowned, cut, echoing = (check().measure(window(sound)) for sound in (voice(), noise, narrow, echo))
        combined = check().combine([drowned, good, cut, echoing])
        assert list(combined.windows) == list(combined.units) == [good]
        assert combined.lag is None
        with pytest.raises(CannotJudge, match=r"^music: .* as loud as the speech: it stands out by \d dB, 8"):
            check().combine([drowned])
        with pytest.raises(CannotJudge, match=r"^narrow_band: the sound reaches to [12]\d{3} Hz; 3800 are needed"):
            check().combine([cut, drowned])
        with pytest.raises(
            CannotJudge, match=r"^reverberant: the sound falls by 1?\d\d dB per second at most, 200 are"
        ):
            check().combine([echoing, drowned])
        assert check().combine([]) is None


class Painted(StandIn):
    """Its map is high in a second and a band."""

    def read(self, waveform, speech_share):
        seconds = len(waveform) / RATE
        times, frequencies = np.arange(0, seconds, 0.05, np.float32), np.linspace(0, 8000, 33, dtype=np.float32)
        grid = np.zeros((33, len(times)), np.float32)
        grid[np.ix_(np.abs(frequencies - 5000) < 600, np.abs(times - 1.5) < 0.4)] = 1.0
        grid[:, times > 2.5] = 9.0
        return VoiceReading(1.0, grid, frequencies, times)


class TestThePeak:
    def test_is_the_most_anomalous_second_and_band_while_somebody_speaks(self):
        clip = window(voice(), start=60.0)
        clip.speech_share[62:] = 0
        peak = VoiceCheck(Painted(StandInConfig())).measure(clip).peak
        assert (peak.start, peak.end) == pytest.approx((61.1, 61.9), abs=0.06)
        assert peak.frequency == pytest.approx(5000, abs=300)

    @settings(deadline=None, max_examples=30)
    @given(
        rows=st.integers(1, 40), columns=st.integers(1, 60), frames=st.integers(38, 75), seed=st.integers(0, 2**32 - 1)
    )
    def test_lies_in_the_window_whatever_the_size_of_the_map(self, rows, columns, frames, seed):
        rng = np.random.default_rng(seed)

        class Random(StandIn):
            def read(self, waveform, speech_share):
                times = np.linspace(0.02, len(waveform) / RATE - 0.02, columns, dtype=np.float32)
                frequencies = np.linspace(50, 7950, rows, dtype=np.float32)
                return VoiceReading(0.0, rng.normal(size=(rows, columns)).astype(np.float32), frequencies, times)

        clip = window(voice()[: frames * SAMPLES], start=2.0)
        peak = VoiceCheck(Random(StandInConfig())).measure(clip).peak
        assert 2.0 <= peak.start < peak.end <= 2.0 + frames / FPS + 1e-3
        assert peak.end - peak.start == pytest.approx(0.8, abs=1e-2)
        assert 50 <= peak.frequency <= 7950


class TestScoring:
    def test_a_file_of_sound_alone_is_judged_by_the_voice(self, calibrated, sound_file):
        verdict = Detector(calibrated).score(sound_file)
        assert (verdict.verdict, verdict.reason, verdict.tracks) == ("consistent", None, [])
        assert verdict.whole_p_value == verdict.checks["voice"].p_value
        assert len(verdict.checks["voice"].windows) == 3
        assert {verdict.checks[name].reason for name in ("lips", "face")} == {Reason.NO_VIDEO}

    def test_a_video_without_a_face_too(self, calibrated, tmp_path):
        path = write(tmp_path / "clip.mkv", np.full((75, 96, 96), 90, np.uint8), voice())
        verdict = Detector(calibrated).score(path)
        assert (verdict.verdict, verdict.decisive_track) == ("consistent", None)
        assert {verdict.checks[name].reason for name in ("lips", "face")} == {Reason.NO_FACE}

    def test_of_a_video_lips_face_and_voice_are_fused_by_measurement(self, calibrated, video_file):
        detector = Detector(calibrated)
        verdict, calibration = detector.score(video_file), detector._setup.calibration
        (track,) = verdict.tracks
        assert set(track.checks) == set(ALL)
        assert set(calibration.joint) == {("face", "lips"), ("face", "voice"), ("lips", "voice"), ALL}
        assert verdict.whole_p_value == track.p_value

    def test_where_the_lips_refuse_face_and_voice_are_fused(self, calibrated, video_file, monkeypatch):
        monkeypatch.setattr("avsync.checks.lips._MAX_TURN", -1.0)
        detector = Detector(calibrated)
        verdict = detector.score(video_file)
        assert verdict.checks["lips"].reason is Reason.POOR_VIEW
        assert set(verdict.tracks[0].checks) == {"face", "voice"}
        assert ("face", "voice") in detector._setup.calibration.joint
        assert verdict.p_value is not None

    @pytest.mark.parametrize(
        ("sound", "reason"),
        [
            (voice()[8000:24000], Reason.TOO_SHORT),
            (np.zeros(3 * RATE, np.float32), Reason.NO_SPEECH),
            (resample_poly(resample_poly(voice(), 1, 4), 4, 1).astype(np.float32), Reason.NARROW_BAND),
            (in_room(voice(), 0.8, 0.0, np.random.default_rng(0)), Reason.REVERBERANT),
        ],
        ids=["too_short", "no_speech", "narrow_band", "reverberant"],
    )
    def test_what_the_voice_refuses_is_the_reason_of_a_file_of_sound(self, calibrated, tmp_path, sound, reason):
        verdict = Detector(calibrated).score(write(tmp_path / "voice.wav", None, sound, codec="pcm_s16le"))
        assert (verdict.verdict, verdict.reason) == ("cannot_judge", reason)
        assert verdict.checks["lips"].reason is Reason.NO_VIDEO
        assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict

    def test_the_map_is_kept_if_it_is_asked_for(self, calibrated, video_file):
        detector = Detector(calibrated, checks="voice")
        assert detector.score(video_file).artefacts == {}
        kept = detector.score(video_file, keep=("voice",)).artefacts
        assert kept.keys() == {None}
        rows, columns = kept[None]["voice_map"].shape
        assert (rows, columns) == (len(kept[None]["voice_frequencies"]), len(kept[None]["voice_times"]))
        assert (np.diff(kept[None]["voice_times"]) > 0).all()

    def test_windows_do_not_hold_their_maps(self, calibrated, sound_file, monkeypatch):
        held = []
        monkeypatch.setattr("avsync.checks.voice.VoiceCheck.combine", lambda _, windows: held.extend(windows))
        Detector(calibrated, checks="voice").score(sound_file)
        assert len(held) == 3
        assert all(window.artefacts == {} and window.peak is not None for window in held)


class TestReports:
    @pytest.fixture(scope="class")
    @classmethod
    def suspicious(cls, calibrated, folder):
        """A verdict on a video whose voice hisses in one of two windows; four people give no p-value below 0.2."""
        pictures = np.concatenate([face(), face()])
        path = write(folder / "two.mkv", pictures, hissing(np.tile(voice(), 2), 3.2, 5.8), codec="pcm_s16le")
        return Detector(calibrated, level=0.2).score(path)

    def test_segments_of_the_voice_are_its_own_and_not_those_of_the_face(self, suspicious):
        voice_check, (track,) = suspicious.checks["voice"], suspicious.tracks
        odd = [w for w in voice_check.windows if w.p_value <= 0.2]
        assert odd
        assert [(s.start, s.end) for s in voice_check.segments] == [(w.start, w.end) for w in odd]
        of_faces = {(w.start, w.end) for name in ("lips", "face") for w in suspicious.checks[name].windows}
        assert {(s.start, s.end) for s in track.segments} <= of_faces

    def test_the_place_is_in_the_suspicious_window(self, suspicious):
        peak = suspicious.checks["voice"].peak
        assert isinstance(peak, Peak)
        assert 3.0 <= peak.start < peak.end <= 6.0
        assert peak.frequency > 6000

    def test_each_report_has_the_voice(self, suspicious, capsys):
        print_verdict(suspicious)
        print_table([suspicious])
        terminal = capsys.readouterr().out
        assert "p voice" in terminal
        row = next(csv.DictReader(StringIO(to_csv([suspicious]))))
        segments = suspicious.checks["voice"].segments
        assert row["recording_segments"] == "; ".join(f"{s.start:.2f}-{s.end:.2f}" for s in segments)
        assert float(row["reading_voice_anomaly_value"]) > 0
        plain = json.loads(to_json([suspicious]))["verdicts"][0]["checks"]["voice"]
        assert plain["peak"]["frequency"] > 6000
        assert len(plain["segments"]) == len(segments)
        page = to_html([suspicious])
        assert "recording: " in page
        assert stand_in_voice.VOICE.question in page

    def test_of_sound_alone_the_sentence_says_where(self, calibrated, hissing_file, capsys):
        verdict = Detector(calibrated, level=0.5).score(hissing_file)
        print_verdict(verdict)
        said = capsys.readouterr().out
        assert "the voice sounds unlike recorded speech, most between " in said
        assert "lips, face: no answer, no_video: the file has no moving picture" in said


class TestModels:
    def test_weights_of_a_voice_leave_the_lips_as_they_are(self, tmp_path, registered):
        given = load_setup(stand_in_voice.save(tmp_path / "other.safetensors", usual=-5.0), calibrating=True)
        usual = load_setup(calibrating=True)
        assert given.name == "avsync-temporal-1 + other"
        assert usual.name == "avsync-temporal-1 + voice"
        assert given.others["lips"].sha256 == usual.checkpoint.sha256
        assert given.checkpoint.sha256 != usual.others["voice"].sha256
        assert len({given.weights_sha256, usual.weights_sha256, load_setup(checks="lips").weights_sha256}) == 3

    def test_weights_of_lips_leave_the_voice_as_it_is(self, tmp_path):
        save_checkpoint(TemporalAligner(TemporalConfig(width=8, components=4)), tmp_path / "lips.safetensors", {})
        setup = load_setup(tmp_path / "lips.safetensors", calibrating=True)
        assert (setup.name, list(setup.others)) == ("temporal + voice", ["voice"])

    def test_the_voice_alone_is_the_model_alone(self, registered):
        setup = load_setup(checks="voice", calibrating=True)
        assert (setup.name, setup.others) == ("voice", {})
        assert setup.weights_sha256 == setup.checkpoint.sha256 == load_checkpoint(registered).sha256

    def test_weights_of_a_check_that_is_not_asked_are_refused(self, registered):
        with pytest.raises(UsageError, match="a model of the check 'voice', which --checks lips,face does not ask"):
            load_setup(registered, checks="lips,face")

    @pytest.mark.parametrize("calibrating", [False, True])
    def test_weights_of_no_check_are_refused(self, tmp_path, monkeypatch, calibrating):
        monkeypatch.setattr(StandIn, "check", "none")
        path = stand_in_voice.save(tmp_path / "vocoder.safetensors")
        with pytest.raises(UsageError, match=r"stand-in-voice/1 is no model of a check; name one of the lips"):
            load_setup(path, checks="lips,face", calibrating=calibrating)

    def test_weights_that_learned_from_labelled_fakes_are_a_baseline_and_no_check(self, tmp_path, sound_file):
        path = stand_in_voice.save(tmp_path / "fakes.safetensors", learned_from="labelled fakes")
        for calibrating in (False, True):
            with pytest.raises(UsageError, match=r"fakes\.safetensors: learned from labelled fakes, so it is no check"):
                load_setup(path, checks="voice", calibrating=calibrating)
        verdict = Detector(path, checks="voice", baselines=True).score(sound_file)
        assert verdict.verdict == "measured"
        assert verdict.anomaly_score == verdict.checks["voice"].readings["voice_anomaly"].value

    def test_without_calibration_it_measures(self, registered, sound_file):
        verdict = Detector(registered, checks="voice").score(sound_file)
        assert (verdict.verdict, verdict.p_value) == ("measured", None)
        assert verdict.checks["voice"].segments == []


class TestCalibration:
    def test_of_videos_measures_the_same_windows_with_every_check(self, calibrated):
        made = load_checkpoint(calibrated).notes["calibration"]
        assert set(made["checks"]) == set(ALL)
        people_of = {tuple(check["people"]) for check in made["checks"].values()}
        assert len(people_of) == 1
        assert set(made["joint"]) == {"face+lips", "face+voice", "lips+voice", "face+lips+voice"}

    def test_learns_of_the_lips_alone_how_much_they_say(self, calibrated):
        """The fakes of faces and voices are not known."""
        made = load_checkpoint(calibrated).notes["calibration"]
        assert {name for name in ALL if made["checks"][name]["ratio"] is not None} == {"lips"}

    def test_names_the_weights_that_it_was_made_with(self, calibrated, registered):
        made = load_checkpoint(calibrated).notes["calibration"]
        assert made["models"] == {"voice": load_checkpoint(registered).sha256}

    def test_does_not_hold_for_other_weights_of_the_voice(self, calibrated, tmp_path, monkeypatch):
        """Lips and face keep theirs."""
        other = stand_in_voice.save(tmp_path / "other.safetensors", usual=-5.0)
        monkeypatch.setitem(loading._EMBEDDED, "voice", other)
        with pytest.raises(UsageError, match=r"the check 'voice' is not calibrated; .* or choose --checks lips,face"):
            load_setup(calibrated)
        assert set(load_setup(calibrated, checks="lips,face").calibration.joint) == {("face", "lips")}

    def test_of_the_voice_alone_needs_no_pictures(self, tmp_path, registered):
        records = [spoken(tmp_path, person, number) for number, person in enumerate(people("calibrate", 4))]
        setup = load_setup(checks="voice", calibrating=True)
        calibrate(records, setup, tmp_path / "out.safetensors", fewest_people=4)
        made = load_checkpoint(tmp_path / "out.safetensors")
        assert made.sha256 == load_checkpoint(registered).sha256
        assert (set(made.notes["calibration"]["checks"]), made.notes["calibration"]["joint"]) == ({"voice"}, {})
        verdict = Detector(tmp_path / "out.safetensors", checks="voice").score(records[0].path)
        assert verdict.p_value is not None

    def test_of_the_given_voice_counts_first_and_lips_and_face_keep_the_embedded_one(self, tmp_path, sound_file):
        """The three are then not fused by measurement: they were not measured on the same windows."""
        records = [spoken(tmp_path, person, number) for number, person in enumerate(people("calibrate", 4))]
        own = stand_in_voice.save(tmp_path / "own.safetensors", usual=-5.0)
        calibrate(records, load_setup(own, checks="voice", calibrating=True), own, fewest_people=4)
        setup = load_setup(own)
        assert set(setup.calibration.references) == set(ALL)
        assert set(setup.calibration.joint) == {("face", "lips")}
        assert setup.calibration.references["voice"].people.max() == 4
        assert Detector(own).score(sound_file).p_value is not None

    def test_of_speech_alone_beside_the_voice_is_for_files_without_pictures(
        self, calibrated, tmp_path, monkeypatch, video_file, sound_file
    ):
        """Videos are compared with videos, on which all checks were measured; sound alone with sound alone."""
        records = [spoken(tmp_path, person, number) for number, person in enumerate(people("calibrate", 4))]
        calibrate(records, load_setup(checks="voice", calibrating=True), tmp_path / "own.safetensors", fewest_people=4)
        before = {path: Detector(calibrated).score(path).checks["voice"] for path in (video_file, sound_file)}
        monkeypatch.setitem(loading._EMBEDDED, "voice", tmp_path / "own.safetensors")
        after = {path: Detector(calibrated).score(path).checks["voice"] for path in (video_file, sound_file)}
        assert after[video_file] == before[video_file]
        assert after[sound_file].readings["voice_anomaly"].value == before[sound_file].readings["voice_anomaly"].value
        assert after[sound_file].anomaly_score != before[sound_file].anomaly_score
        assert len(load_setup(calibrated).calibration.joint) == 4

    def test_is_known_by_a_hash_so_that_results_of_two_are_not_mixed(self, calibrated, tmp_path, sound_file):
        copy = tmp_path / "again.safetensors"
        copy.write_bytes(calibrated.read_bytes())
        notes = json.loads(calibrated.with_suffix(".json").read_text())
        copy.with_suffix(".json").write_text(json.dumps(notes))
        one, same = load_setup(calibrated), load_setup(copy)
        assert one.calibration_sha256 == same.calibration_sha256 != ""
        notes["calibration"]["checks"]["face"]["scores"][0][50] += 0.01
        copy.with_suffix(".json").write_text(json.dumps(notes))
        other = load_setup(copy)
        assert other.weights_sha256 == one.weights_sha256
        assert other.calibration_sha256 != one.calibration_sha256

    def test_in_the_embedded_lips_is_found_for_the_voice_alone(self, calibrated, monkeypatch):
        monkeypatch.setattr("avsync.checks.calibrated.EMBEDDED", calibrated)
        setup = load_setup(checks="voice")
        assert set(setup.calibration.references) == {"voice"}

    def test_of_the_voice_does_not_depend_on_the_face_detector(self, calibrated, monkeypatch):
        monkeypatch.setattr("avsync.checks.calibrated.EMBEDDED", calibrated)
        notes = load_checkpoint(calibrated).notes
        assert notes["calibration"]["conditions"]["faces"] == "dlib-68/2"
        monkeypatch.setattr("avsync.face.dlib.DlibFaceDetector.key", "other/1")
        assert load_setup(checks="voice").calibration is not None
        with pytest.raises(UsageError, match="with the same --faces"):
            load_setup(calibrated)

    def test_leaves_out_whom_any_of_the_models_has_heard(self, tmp_path, monkeypatch):
        notes = {"provenance": {"data": {"trained_on": people("calibrate", 2)}}}
        monkeypatch.setitem(loading._EMBEDDED, "voice", stand_in_voice.save(tmp_path / "v.safetensors", notes=notes))
        records = [spoken(tmp_path, person, number) for number, person in enumerate(people("calibrate", 4))]
        with pytest.raises(UsageError, match="real recordings of 2 people; at least 3 are needed"):
            calibrate(
                records, load_setup(checks="voice", calibrating=True), tmp_path / "o.safetensors", fewest_people=3
            )


def spoken(folder, person, number):
    """A record of sound alone: three seconds of a voice."""
    path = write(folder / f"{person}.wav", None, voice(seed=number + 1), codec="pcm_s16le")
    return ClipRecord(path, path.name, "real", REAL_TYPE, "real", person, person)


def test_the_embedded_lips_are_those_that_calibrations_are_looked_up_in():
    assert load_checkpoint(EMBEDDED).model.check == "lips"
