"""What avsync promises to those who extend it: one file and one line of a registry each, and nothing else changes.

Every extension here is what such a file would hold: a check of faces, a check of sound alone, a data set, a reading of
the face and one of the lattice, a backbone and a face detector. `docs/adding.md` shows them in full.
"""

import csv
import json
import sys
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pytest
import torch
from talking import face, people, voice, voxceleb, write

from avsync import Detector
from avsync.calibrate import calibrate
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.checks.face_clips import face_clips, scored_windows, window_score
from avsync.checks.interface import LENGTHS, by_clips
from avsync.checks.load import load_setup
from avsync.checks.registry import CHECKS, CheckInfo
from avsync.clip import SAMPLES
from avsync.datasets import DATASETS, REAL_TYPE, ClipRecord, Dataset, open_dataset
from avsync.datasets.splits import calibration_records, training_records
from avsync.encoders.registry import KINDS, Kind
from avsync.errors import Reason, UsageError
from avsync.face import FACE_DETECTORS
from avsync.face.dlib import DlibFaceDetector
from avsync.media import FPS
from avsync.report import print_table, print_verdict, to_csv, to_html, to_json
from avsync.score.readings import READINGS, Reading
from avsync.score.reference import Reference
from avsync.score.windows import Combined, WindowScore, can_score, windows

THIS = sys.modules[__name__]


@pytest.fixture(autouse=True)
def files(monkeypatch):
    """Where the files of extensions of lips and face would lie; this module stands for each of them."""
    monkeypatch.delitem(CHECKS, "voice", raising=False)
    for name in (
        "avsync.checks.eyes",
        "avsync.checks.pitch",
        "avsync.score.readings.extra",
        "avsync.encoders.loudness",
    ):
        monkeypatch.setitem(sys.modules, name, THIS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Three seconds of a talking face."""
    return write(tmp_path_factory.mktemp("clip") / "talking.mkv", face(), voice(), codec="pcm_s16le")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Three seconds of a voice, without a picture."""
    return write(tmp_path_factory.mktemp("sound") / "voice.wav", None, voice(), codec="pcm_s16le")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A VoxCeleb2 tree: a clip each of four people who calibrate."""
    return voxceleb(tmp_path_factory.mktemp("people"), people("calibrate", 4))


@pytest.fixture(scope="module")
def plain(clip):
    """The verdict without any extension."""
    return Detector(checks="lips,face").score(clip)


def reference_around(value, reading, spread=0.1, count=400):
    """What 400 real people look like to a check of one reading: near `value`."""
    drawn = np.random.default_rng(0).normal(value, spread, count)
    names = [f"p{i}" for i in range(count)]
    return Reference.fit({n: {reading.name: drawn} for n in LENGTHS}, dict.fromkeys(LENGTHS, names), [reading])


# A check of faces: avsync/checks/eyes.py


def eye_opening(clip):
    upper, lower = clip.landmarks[:, [37, 38, 43, 44]], clip.landmarks[:, [41, 40, 47, 46]]
    width = np.linalg.norm(clip.landmarks[:, 36] - clip.landmarks[:, 39], axis=1).mean()
    return float(np.linalg.norm(upper - lower, axis=2).mean() / width)


class EyesCheck:
    name = "eyes"
    needs = ("face", "speech")
    readings = (Reading("eye_opening", "face", "avsync.checks.eyes:eye_opening", "low", "made up", "made up"),)
    ranked_by = "eye_opening"
    lengths = LENGTHS
    counterexample = None
    clips = staticmethod(face_clips)
    windows = staticmethod(scored_windows)

    def __init__(self, reference=None):
        self.reference = reference

    def measure(self, window):
        return window_score(window, {reading.name: reading.read(window) for reading in self.readings})

    def combine(self, windows):
        return Combined(windows, windows) if windows else None


def load_eyes(_checkpoint, _device):
    return EyesCheck()


def load_usual_eyes(_checkpoint, _device):
    """The eyes of the demo, 0.36 of their width, are usual."""
    return EyesCheck(reference_around(0.36, EyesCheck.readings[0]))


def load_unusual_eyes(_checkpoint, _device):
    """Real eyes are open twice as wide."""
    return EyesCheck(reference_around(2.0, EyesCheck.readings[0]))


def own_clips(recording):
    return recording.face_clips(seconds=2)


class EyesOfShortClips(EyesCheck):
    clips = staticmethod(own_clips)


def load_eyes_of_short_clips(_checkpoint, _device):
    return EyesOfShortClips(reference_around(0.36, EyesCheck.readings[0]))


# A check of sound alone: avsync/checks/pitch.py


@dataclass(frozen=True)
class SoundClip:
    start: float
    waveform: np.ndarray
    speech_share: np.ndarray

    def __len__(self):
        return len(self.speech_share)

    def __getitem__(self, span):
        begin, end, _ = span.indices(len(self))
        waveform = self.waveform[begin * SAMPLES : end * SAMPLES]
        return SoundClip(self.start + begin / FPS, waveform, self.speech_share[span])


def sound_clips(recording):
    waveform = np.concatenate(list(recording.sound.blocks()))
    count = len(waveform) // SAMPLES
    yield SoundClip(0.0, waveform[: count * SAMPLES], recording.activity.on_frames(0.0, count))


def crossings(clip):
    return float((np.diff(np.sign(clip.waveform)) != 0).mean())


class PitchCheck:
    name = "pitch"
    needs = ("speech",)
    readings = (Reading("crossings", "lattice", "avsync.checks.pitch:crossings", "high", "made up", "made up"),)
    ranked_by = "crossings"
    lengths = LENGTHS
    counterexample = None
    clips = staticmethod(sound_clips)

    def __init__(self, reference=None):
        self.reference = reference

    def windows(self, clip):
        return filter(can_score, windows(clip))

    def measure(self, window):
        return WindowScore(
            track=None,
            start=window.start,
            seconds=len(window) / FPS,
            speech_seconds=float(window.speech_share.sum()) / FPS,
            box=None,
            readings={reading.name: reading.read(window) for reading in self.readings},
        )

    def combine(self, windows):
        return Combined(windows, windows) if windows else None


def load_pitch(_checkpoint, _device):
    return PitchCheck()


def load_usual_pitch(_checkpoint, _device):
    return PitchCheck(reference_around(0.15, PitchCheck.readings[0]))


def load_unusual_pitch(_checkpoint, _device):
    return PitchCheck(reference_around(-9.0, PitchCheck.readings[0]))


@pytest.fixture
def add(monkeypatch):
    """Adds the line of a check to the registry."""

    def line(name, loader):
        found, causes = f"the {name} look unusual", "sunglasses"
        info = CheckInfo(name, f"Are these {name} real?", found, causes, f"avsync.checks.{name}:{loader}")
        monkeypatch.setitem(CHECKS, name, info)

    return line


def reported(verdict, capsys):
    """What each report says of a verdict."""
    print_verdict(verdict)
    print_table([verdict])
    rows = list(csv.DictReader(StringIO(to_csv([verdict]))))
    return capsys.readouterr().out, json.loads(to_json([verdict]))["verdicts"][0], rows, to_html([verdict])


class TestACheckOfFaces:
    def test_shares_the_pass_of_the_other_checks_of_faces(self, add):
        add("eyes", "load_usual_eyes")
        assert [[check.name for check in group] for group in by_clips(load_setup().checks).values()] == [
            ["lips", "face", "eyes"]
        ]

    def test_takes_part_in_the_verdict(self, add, clip, plain):
        add("eyes", "load_usual_eyes")
        verdict = Detector().score(clip)
        (track,) = verdict.tracks
        assert list(verdict.checks) == list(track.checks) == ["lips", "face", "eyes"]
        assert track.checks["eyes"].readings["eye_opening"].percentile is not None
        for name, check in plain.checks.items():
            assert verdict.checks[name] == check
        # It was not calibrated together with the others: Bonferroni.
        smallest = min(check.p_value for check in verdict.checks.values())
        assert verdict.whole_p_value == track.p_value == min(1.0, 3 * smallest)
        assert len(verdict.checks["eyes"].windows) == len(plain.checks["lips"].windows)

    def test_can_make_it_suspicious(self, add, clip, plain):
        add("eyes", "load_unusual_eyes")
        verdict = Detector().score(clip)
        assert (plain.verdict, verdict.verdict) == ("consistent", "suspicious")
        assert verdict.checks["eyes"].p_value < 0.01
        assert verdict.decisive.anomaly_score == verdict.checks["eyes"].anomaly_score
        assert verdict.tracks[0].segments

    def test_is_in_every_report(self, add, clip, capsys):
        add("eyes", "load_unusual_eyes")
        verdict = Detector().score(clip)
        terminal, plain, (row,), page = reported(verdict, capsys)
        assert "the eyes look unusual" in terminal
        assert "p eyes" in terminal
        assert plain["checks"]["eyes"]["p_value"] == verdict.checks["eyes"].p_value
        assert plain["tracks"][0]["checks"]["eyes"]["readings"]["eye_opening"]["value"] > 0
        assert float(row["check_eyes_p_value"]) == verdict.checks["eyes"].p_value
        assert float(row["reading_eye_opening_value"]) > 0
        assert "Are these eyes real?" in page

    def test_may_look_at_clips_of_its_own(self, add, tmp_path):
        """The file is read once more; what is damaged is said once."""
        add("eyes", "load_eyes_of_short_clips")
        path = write(tmp_path / "cut.mp4", face(), voice(), container={"movflags": "faststart"})
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
        verdict = Detector().score(path)
        (track,) = verdict.tracks
        assert list(track.checks) == ["lips", "face", "eyes"]
        assert len(by_clips(load_setup().checks)) == 2
        assert verdict.warnings
        assert len(verdict.warnings) == len(set(verdict.warnings))

    def test_can_be_asked_alone(self, add, clip):
        add("eyes", "load_usual_eyes")
        verdict = Detector(checks="eyes").score(clip)
        assert list(verdict.checks) == ["eyes"]
        assert verdict.p_value == verdict.checks["eyes"].p_value

    @pytest.mark.parametrize("checks", [None, "lips,eyes"])
    def test_that_is_not_calibrated_is_refused_with_the_command(self, add, checks):
        add("eyes", "load_eyes")
        others = "lips,face" if checks is None else "lips"
        with pytest.raises(UsageError) as raised:
            Detector(checks=checks)
        assert str(raised.value) == (
            f"the check 'eyes' is not calibrated; run avsync calibrate ROOT, or choose --checks {others}"
        )
        assert Detector(checks="lips,face").checks == ("lips", "face")

    def test_without_any_calibration_is_measured(self, add, clip, tmp_path):
        add("eyes", "load_eyes")
        save_checkpoint(load_checkpoint(EMBEDDED).model, tmp_path / "new.safetensors", {})
        verdict = Detector(tmp_path / "new.safetensors", checks="eyes").score(clip)
        assert verdict.verdict == "measured"
        assert verdict.anomaly_score == -verdict.checks["eyes"].readings["eye_opening"].value


class TestACheckOfSound:
    def test_gives_a_verdict_on_a_file_of_sound_alone(self, add, sound):
        add("pitch", "load_usual_pitch")
        verdict = Detector().score(sound)
        assert (verdict.verdict, verdict.reason, verdict.tracks) == ("consistent", None, [])
        assert (verdict.decisive_track, verdict.decisive) == (None, None)
        assert verdict.p_value == verdict.checks["pitch"].p_value
        assert verdict.anomaly_score == verdict.checks["pitch"].anomaly_score
        assert {window.track for window in verdict.checks["pitch"].windows} == {None}
        for name in ("lips", "face"):
            assert (verdict.checks[name].reason, verdict.checks[name].p_value) == (Reason.NO_VIDEO, None)

    def test_can_make_a_file_of_sound_alone_suspicious_in_every_report(self, add, sound, capsys):
        add("pitch", "load_unusual_pitch")
        verdict = Detector().score(sound)
        assert verdict.verdict == "suspicious"
        terminal, plain, (row,), page = reported(verdict, capsys)
        assert "the pitch look unusual" in terminal
        assert "lips, face: no answer, no_video" in terminal
        assert plain["checks"]["lips"]["reason"] == "no_video"
        assert float(row["check_pitch_p_value"]) == verdict.p_value
        assert row["check_lips_reason"] == "no_video"
        assert "Are these pitch real?" in page

    def test_joins_the_verdict_on_each_face_of_a_video(self, add, clip, plain):
        add("pitch", "load_unusual_pitch")
        verdict = Detector().score(clip)
        (before,), (track,) = plain.tracks, verdict.tracks
        assert list(track.checks) == ["lips", "face", "pitch"]
        assert (track.start, track.end, track.box) == (before.start, before.end, before.box)
        assert track.checks["pitch"].p_value == verdict.checks["pitch"].p_value
        assert verdict.whole_p_value == min(1.0, 3 * min(check.p_value for check in verdict.checks.values()))
        assert (plain.verdict, verdict.verdict) == ("consistent", "suspicious")

    def test_judges_a_video_without_faces(self, add, tmp_path):
        add("pitch", "load_usual_pitch")
        verdict = Detector().score(write(tmp_path / "clip.mkv", np.full((75, 96, 96), 90, np.uint8), voice()))
        assert (verdict.verdict, verdict.tracks) == ("consistent", [])
        assert {verdict.checks[name].reason for name in ("lips", "face")} == {Reason.NO_FACE}

    def test_that_hears_too_little_does_not_speak_of_faces(self, add, tmp_path):
        add("pitch", "load_usual_pitch")
        short = write(tmp_path / "short.wav", None, voice()[8000:24000], codec="pcm_s16le")
        verdict = Detector(checks="pitch").score(short)
        assert (verdict.verdict, verdict.reason) == ("cannot_judge", Reason.TOO_SHORT)
        assert verdict.detail == "the sound lasts 1.0 s; 1.5 s are needed"

    def test_two_people_who_speak_in_turn_stay_two_speakers(self, add, tmp_path):
        add("pitch", "load_usual_pitch")
        first = face()
        other = np.ascontiguousarray(255 - (255 - first[:, :, ::-1].astype(int)) // 2).astype(np.uint8)
        path = write(tmp_path / "two.mkv", np.concatenate([first, other]), np.concatenate([voice(), voice()]))
        verdict = Detector().score(path)
        first, second = verdict.tracks
        assert first.end == pytest.approx(second.start, abs=0.1)
        assert verdict.whole_p_value == min(1.0, 2 * min(first.p_value, second.p_value))

    def test_is_calibrated_without_faces(self, add, tree, sound, tmp_path):
        add("pitch", "load_pitch")
        setup = load_setup(checks="pitch", calibrating=True)
        calibrate(calibration_records(tree), setup, tmp_path / "pitch.safetensors", fewest_people=4)
        verdict = Detector(tmp_path / "pitch.safetensors", checks="pitch").score(sound)
        assert verdict.p_value is not None
        assert verdict.checks["pitch"].readings["crossings"].percentile is not None

    def test_is_calibrated_beside_the_others(self, add, tree, clip, tmp_path):
        """Windows of a face hold its sound: all sets of two or more checks are fused by measurement."""
        add("pitch", "load_pitch")
        told = []
        setup = load_setup(checks="lips,face,pitch", calibrating=True)
        records = calibration_records(tree)
        output = tmp_path / "all.safetensors"
        calibration = calibrate(
            records, setup, output, fewest_people=4, on_progress=lambda done, of: told.append(done / of)
        )
        assert set(calibration.references) == {"lips", "face", "pitch"}
        pairs = {("face", "lips"), ("face", "pitch"), ("lips", "pitch")}
        assert set(calibration.joint) == {*pairs, ("face", "lips", "pitch")}
        assert told == sorted(told)
        assert told[-1] == 1
        assert list(Detector(output).score(clip).tracks[0].checks) == ["lips", "face", "pitch"]


# A data set: avsync/datasets/flat.py


def flat_clips(root):
    return [
        ClipRecord(path, path.name, "real", REAL_TYPE, "real", path.name[:7], path.name[:7])
        for path in sorted(root.glob("id*.mp4"))
    ]


FLAT = Dataset("flat", "Flat", "<person>_<n>.mp4", lambda root: any(root.glob("id*_*.mp4")), flat_clips)


class TestADataset:
    @pytest.fixture
    def root(self, tmp_path):
        for person in (*people("calibrate", 3), *people("report", 2)):
            (tmp_path / f"{person}_1.mp4").touch()
        return tmp_path

    def test_is_unknown_before_its_line_is_there(self, root):
        with pytest.raises(UsageError, match="no known data set there"):
            open_dataset(root)

    def test_is_detected_and_opened_by_its_name(self, monkeypatch, root):
        monkeypatch.setitem(DATASETS, "flat", FLAT)
        assert len(open_dataset(root)) == len(open_dataset(root, "flat")) == 5

    def test_trains_and_calibrates(self, monkeypatch, root):
        monkeypatch.setitem(DATASETS, "flat", FLAT)
        assert [record.identity for record in calibration_records(root)] == people("calibrate", 3)
        assert len(training_records(root)) == 5

    def test_keeps_its_fakes_out_of_training(self, monkeypatch, root):
        fakes = Dataset("flat", "Flat", FLAT.layout, FLAT.matches, flat_clips, fake_folders=frozenset({"swapped"}))
        monkeypatch.setitem(DATASETS, "flat", fakes)
        (root / "Swapped").mkdir()
        with pytest.raises(UsageError, match="a tree with fakes"):
            training_records(root)


# Readings: avsync/score/readings/extra.py


def brightness(window):
    return float(window.faces.mean())


def peak(window):
    return float(np.nanmax(window.curve) - np.nanmedian(window.curve))


class TestAReading:
    BRIGHTNESS = Reading("brightness", "face", ".extra:brightness", "low", "made up", "made up")

    def test_of_the_face_is_reported_and_does_not_count_before_calibration(self, monkeypatch, clip, plain):
        monkeypatch.setitem(READINGS, "brightness", self.BRIGHTNESS)
        verdict = Detector().score(clip)
        new = verdict.checks["face"].readings["brightness"]
        assert 0 < new.value < 255
        assert (new.percentile, new.p_value) == (None, None)
        assert (verdict.p_value, verdict.anomaly_score) == (plain.p_value, plain.anomaly_score)

    def test_of_the_face_counts_after_calibration(self, monkeypatch, tree, clip, tmp_path):
        monkeypatch.setitem(READINGS, "brightness", self.BRIGHTNESS)
        setup = load_setup(checks="face", calibrating=True)
        calibration = calibrate(calibration_records(tree), setup, tmp_path / "face.safetensors", fewest_people=4)
        assert "brightness" in calibration.references["face"].sign
        verdict = Detector(tmp_path / "face.safetensors", checks="face").score(clip)
        assert verdict.checks["face"].readings["brightness"].percentile is not None

    def test_of_the_lattice_can_be_chosen(self, monkeypatch, clip):
        monkeypatch.setitem(READINGS, "peak", Reading("peak", "lattice", ".extra:peak", "low", "made up", "made up"))
        verdict = Detector(backbone="temporal", reading="peak").score(clip)
        assert verdict.anomaly_score == -verdict.checks["lips"].readings["peak"].value


# A backbone: avsync/encoders/loudness.py


class Loudness:
    """Loudness and mouth opening over nine frames."""

    dim, dtype, key = 9, torch.float16, "loudness/1"

    def encode_lips(self, clips):
        return [_around(np.linalg.norm(clip.landmarks[:, 62] - clip.landmarks[:, 66], axis=1)) for clip in clips]

    def encode_speech(self, clips):
        return [_around(np.log(clip.waveform.reshape(-1, SAMPLES).std(axis=1) + 1e-4)) for clip in clips]


def _around(curve):
    rows = np.lib.stride_tricks.sliding_window_view(np.pad(curve, 4, mode="edge"), 9)
    return torch.from_numpy(rows - rows.mean(axis=1, keepdims=True)).float()


def load_loudness(_source, _layer, _device):
    return Loudness()


class TestABackbone:
    @pytest.fixture(autouse=True)
    def line(self, monkeypatch):
        monkeypatch.setitem(KINDS, "loudness", Kind("avsync.encoders.loudness:load_loudness", source="none"))

    def test_scores(self, clip):
        verdict = Detector(backbone="loudness").score(clip)
        assert (verdict.verdict, verdict.model) == ("measured", "cosine of loudness by speechforensics")
        assert abs(verdict.tracks[0].lag_ms) <= 80

    def test_goes_with_another_one_of_the_same_width(self, clip):
        with pytest.raises(UsageError, match="9 features of lips and 96 of speech do not go with"):
            Detector(backbone="loudness+temporal")

    def test_has_no_weights_to_name(self):
        with pytest.raises(UsageError, match="loudness has no weights; write loudness"):
            Detector(backbone="loudness:file")


# A face detector: avsync/face/thorough.py


class Thorough(DlibFaceDetector):
    """dlib, always the thorough way."""

    key = "dlib-68-thorough/1"

    def find(self, image):
        return self.find_harder(image)


class TestAFaceDetector:
    @pytest.fixture(autouse=True)
    def line(self, monkeypatch):
        monkeypatch.setitem(FACE_DETECTORS, "thorough", Thorough)

    def test_scores(self, clip, plain):
        verdict = Detector(backbone="temporal", faces="thorough").score(clip)
        assert verdict.verdict == "measured"
        np.testing.assert_allclose(verdict.tracks[0].box, plain.tracks[0].box, atol=5)

    def test_needs_a_calibration_of_its_own(self):
        with pytest.raises(
            UsageError, match="face detector dlib-68/2, asked with dlib-68-thorough/1: run avsync calib"
        ):
            Detector(faces="thorough")

    def test_can_be_calibrated(self, tree, clip, tmp_path):
        setup = load_setup(checks="face", faces="thorough", calibrating=True)
        calibrate(calibration_records(tree)[:2], setup, tmp_path / "new.safetensors", fewest_people=2)
        detector = Detector(tmp_path / "new.safetensors", checks="face", faces="thorough")
        assert detector.score(clip).p_value is not None
        with pytest.raises(UsageError, match="run avsync calibrate ROOT"):
            Detector(tmp_path / "new.safetensors", checks="face")
