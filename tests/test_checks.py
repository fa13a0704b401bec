"""What avsync.checks promises: what each check measures in a window and in a track, and which checks load together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from talking import face, people, voice, voxceleb, write

from avsync.align import TAU, TemporalAligner, TemporalConfig
from avsync.calibrate import calibrate
from avsync.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from avsync.checks.backbone import LatticeClip
from avsync.checks.face import FaceCheck
from avsync.checks.interface import by_clips
from avsync.checks.lips import LipsCheck, lattice_window
from avsync.checks.load import load_setup
from avsync.checks.registry import CHECKS, asked_by_default
from avsync.datasets import open_dataset
from avsync.detector import Detector
from avsync.encoders.registry import Backbone, load_backbone
from avsync.errors import CannotJudge, UsageError
from avsync.features import FeatureStore, encode_recording
from avsync.features.extract import extract
from avsync.media import FPS
from avsync.recording import open_recording
from avsync.score.readings import READINGS, readings_of
from avsync.score.windows import WindowScore, frame_times


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three seconds of a talking face with its own speech, and with other speech of the same voice."""
    folder = tmp_path_factory.mktemp("files")
    return [write(folder / f"{take}.mkv", face(), voice(take=take)) for take in (0, 1)]


@pytest.fixture(scope="module")
def clip(files):
    (clip,) = open_recording(files[0]).face_clips()
    return clip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A VoxCeleb2 tree: a clip each of four people who calibrate."""
    return voxceleb(tmp_path_factory.mktemp("people"), people("calibrate", 4))


def without_calibration(path):
    """The embedded checkpoint without its calibration."""
    checkpoint = load_checkpoint(EMBEDDED)
    notes = {name: value for name, value in checkpoint.notes.items() if name != "calibration"}
    save_checkpoint(checkpoint.model, path, notes)
    return path


class TestTheRegistry:
    @pytest.mark.parametrize("name", CHECKS)
    def test_every_check_is_filed_under_its_name_and_speaks_for_itself(self, name):
        check = CHECKS[name]
        assert check.name == name
        assert check.question.endswith("?")
        assert check.finding

    def test_checks_that_look_at_the_same_clips_share_one_pass(self):
        setup = load_setup(checks="lips,face")
        assert [check.name for check in setup.checks] == ["lips", "face"]
        (group,) = by_clips(setup.checks).values()
        assert tuple(group) == setup.checks

    def test_those_with_an_embedded_model_are_asked_in_their_order(self):
        assert [check.name for check in load_setup().checks] == asked_by_default() == ["lips", "face", "voice"]


def lattice_score(lag, *, speech_seconds=3.0, frames=75, height=3.0, head_turn=0.0, sound_range=30.0):
    """A window of the lips check whose lips and speech fit at `lag`, as the check keeps it."""
    grid = np.random.default_rng(frames + lag).normal(0, 0.1, (frames, 2 * TAU + 1)).astype(np.float32)
    grid[:, TAU + lag] += height
    share = np.full(frames, speech_seconds * FPS / frames, np.float32)
    artefacts = {"times": frame_times(0.0, frames), "speech_share": share, "lattice": grid}
    view = {"head_turn": head_turn, "sound_range": sound_range}
    return WindowScore(0, 0.0, frames / FPS, speech_seconds, np.zeros(4), view, artefacts)


class TestLips:
    @pytest.fixture(scope="class")
    @classmethod
    def check(cls, clip):
        torch.manual_seed(0)
        model = TemporalAligner(TemporalConfig(width=8, components=4))
        model.mean_face[:] = torch.from_numpy(clip.landmarks.mean(axis=0))
        return LipsCheck(model.eval())

    def test_a_window_has_its_place_its_readings_and_its_lattice(self, check, clip):
        window = check.measure(clip[10:60])
        assert list(window.readings) == ["agreement", "worst_moment", "head_turn", "sound_range"]
        assert np.isfinite(list(window.readings.values())).all()
        assert (window.track, window.seconds) == (clip.track, 2.0)
        assert (window.start, window.end) == pytest.approx((clip.start + 0.4, clip.start + 2.4))
        assert window.speech_seconds == pytest.approx(clip.speech_share[10:60].sum() / FPS)
        np.testing.assert_array_equal(window.box, clip[10:60].box)
        assert window.artefacts["lattice"].shape == (50, 2 * TAU + 1)
        np.testing.assert_allclose(window.artefacts["times"], window.start + np.arange(50) / FPS)

    def test_a_window_shows_the_mouths_of_its_clip(self, check, clip):
        """They are those that training crops of the whole clip."""
        np.testing.assert_array_equal(check.measure(clip[10:60]).artefacts["mouths"], clip.mouths[10:60])

    def test_all_windows_are_read_at_the_lag_that_fits_them_best_together(self, check):
        combined = check.combine([lattice_score(4, speech_seconds=1.0), lattice_score(1, speech_seconds=3.0)])
        assert combined.lag == 1
        for before, after in zip((4, 1), combined.units, strict=True):
            window = lattice_window(after)
            assert window.lag == before
            assert after.readings["agreement"] == pytest.approx(float(window.curve[TAU + 1]), abs=1e-6)
            moments = window.lattice[:, TAU + 1].unfold(0, 15, 1).mean(dim=1)
            worst = float(moments.min()) - after.readings["agreement"]
            assert after.readings["worst_moment"] == pytest.approx(worst, abs=1e-5)

    def test_windows_that_find_different_lags_fit_less_together(self, check):
        def agreement(other):
            units = check.combine([lattice_score(2), lattice_score(other)]).units
            return np.mean([unit.readings["agreement"] for unit in units])

        assert agreement(-4) < agreement(2) - 1

    def test_windows_where_an_offset_cannot_be_judged_do_not_count_for_it(self, check):
        dark = lattice_score(0)
        dark.artefacts["lattice"][:, TAU + 1 :] = np.nan
        assert check.combine([dark, lattice_score(5)]).lag in (0, 5)
        dark.artefacts["lattice"][:] = np.nan
        assert check.combine([dark]).lag == 0

    def test_without_windows_there_is_nothing_to_combine(self, check):
        assert check.combine([]) is None

    @pytest.mark.parametrize(
        ("poor", "said"),
        [({"head_turn": 0.6}, "the head is turned"), ({"sound_range": 5.0}, r"by 5 dB, 8 are needed")],
    )
    def test_windows_in_which_lips_or_speech_are_not_clear_are_not_judged(self, check, poor, said):
        combined = check.combine([lattice_score(4), lattice_score(1, speech_seconds=9.0, **poor)])
        assert (combined.lag, len(combined.units)) == (4, 1)
        with pytest.raises(CannotJudge, match=f"^poor_view: .*{said}"):
            check.combine([lattice_score(1, **poor)])

    def test_of_drowned_speech_the_face_alone_is_judged(self, tmp_path):
        """White noise as loud as the speech."""
        noise = np.random.default_rng(0).normal(0, voice().std(), len(voice())).astype(np.float32)
        verdict = score(write(tmp_path / "noisy.mkv", face(), 0.5 * (voice() + noise)))
        assert verdict.verdict in ("consistent", "suspicious")
        assert verdict.checks["lips"].reason == "poor_view"
        assert verdict.p_value == verdict.checks["face"].p_value


class TestFace:
    def test_a_window_has_the_readings_of_the_face(self, clip):
        window = FaceCheck().measure(clip[10:60])
        assert list(window.readings) == [reading.name for reading in readings_of("face")]
        assert np.isfinite(list(window.readings.values())).all()
        assert (window.start, window.seconds) == (pytest.approx(clip.start + 0.4), 2.0)

    def test_windows_are_combined_as_they_are(self, clip):
        check = FaceCheck()
        windows = [check.measure(clip[:40])]
        assert check.combine(windows).units == check.combine(windows).windows == windows
        assert check.combine([]) is None

    def test_short_and_silent_windows_are_left_out(self, clip):
        check = FaceCheck()
        assert list(check.windows(clip[:36])) == []
        assert list(check.windows(replace(clip, speech_share=0 * clip.speech_share))) == []
        assert len(list(check.windows(clip))) == 1


def score(path, **options):
    return Detector(**options).score(path)


def reading_of(verdict, name):
    return verdict.tracks[0].checks["lips"].readings[name].value


class TestBackbone:
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tree, tmp_path_factory):
        """Features of the four people."""
        folder = tmp_path_factory.mktemp("store")
        backbone = load_backbone("temporal")
        extract(open_dataset(tree), backbone, FeatureStore(folder, backbone.key, "default", "dlib-68/2"))
        return folder

    @pytest.fixture
    def calibrated(self, tree, store, tmp_path):
        """Calibrates a reading of cosines on the four people."""

        def made(reading):
            output = tmp_path / f"{reading}.safetensors"
            setup = load_setup(backbone="temporal", reading=reading, features=store, calibrating=True)
            calibrate(open_dataset(tree), setup, output, fewest_people=4)
            return output

        return made

    def test_a_reading_is_that_of_the_whole_track(self, files):
        """FACTOR by hand, on all frames."""
        (made,) = encode_recording(open_recording(files[0], trim="none"), load_backbone("temporal"))
        cosines = torch.nn.functional.cosine_similarity(made.lip_features, made.speech_features)
        verdict = score(files[0], backbone="temporal", reading="factor", trim="none")
        assert reading_of(verdict, "factor") == pytest.approx(np.percentile(cosines, 3), abs=1e-5)

    def test_a_track_that_is_cut_into_windows_is_read_as_a_whole(self, files):
        (check,) = load_setup(backbone="temporal", reading="speechforensics").checks
        (whole,) = check.clips(open_recording(files[0]))
        parts = [check.measure(part) for part in (whole[:20], whole[20:60], whole[60:])]
        assert [part.readings.keys() for part in parts] == [set(), {"speechforensics"}, set()]
        combined = check.combine(parts)
        (unit,) = combined.units
        assert unit.readings == check.measure(whole).readings
        assert (unit.start, unit.seconds) == (whole.start, len(whole) / FPS)
        assert [window.readings for window in combined.windows] == [parts[1].readings]
        assert check.combine([parts[0]]) is None

    def test_rows_that_are_cut_keep_their_times(self):
        rows = LatticeClip(0, 2.0, np.zeros(4), torch.randn(90, 31), np.arange(90, dtype=np.float32))
        part = rows[30:60]
        assert (part.start, len(part)) == (2.0 + 30 / FPS, 30)
        assert torch.equal(part.lattice, rows.lattice[30:60])
        np.testing.assert_array_equal(part.speech_share, rows.speech_share[30:60])

    def test_without_calibration_it_measures_and_says_so(self, files):
        in_sync, dubbed = (score(path, backbone="temporal") for path in files)
        assert (in_sync.verdict, in_sync.p_value, in_sync.decisive_track) == ("measured", None, 0)
        assert in_sync.anomaly_score == -reading_of(in_sync, "speechforensics")
        assert in_sync.anomaly_score < dubbed.anomaly_score
        assert "avsync calibrate" in in_sync.warnings[-1]

    def test_a_reading_that_is_high_for_fakes_ranks_as_it_is(self, files):
        verdict = score(files[0], backbone="temporal", reading="log_mean_exp")
        assert verdict.anomaly_score == reading_of(verdict, "log_mean_exp")

    def test_features_that_are_stored_are_not_made_again(self, tree, store, monkeypatch):
        path = open_dataset(tree)[0].path
        made = score(path, backbone="temporal")
        monkeypatch.setattr(Backbone, "encode", lambda *_: pytest.fail("encoded again"))
        monkeypatch.setattr("avsync.media.audio.audio_blocks", lambda *_: pytest.fail("decoded again"))
        stored = score(path, backbone="temporal", features=store)
        assert stored.anomaly_score == pytest.approx(made.anomaly_score, abs=1e-3)
        assert stored.leading_silence == made.leading_silence

    @pytest.mark.parametrize("reading", ["agreement", "speechforensics", "factor", "log_mean_exp"])
    def test_calibrated_it_judges(self, files, calibrated, reading):
        detector = Detector(calibrated(reading))  # the checkpoint names its backbone and its reading
        in_sync, dubbed = map(detector.score, files)
        assert in_sync.verdict == "consistent"
        assert in_sync.tracks[0].checks.keys() == {"lips"}
        assert in_sync.tracks[0].checks["lips"].readings.keys() == {reading}
        assert dubbed.anomaly_score > in_sync.anomaly_score
        assert dubbed.p_value <= in_sync.p_value  # of four people, no p-value is below 0.2

    def test_another_reading_than_the_calibrated_one_is_only_measured(self, files, calibrated):
        assert score(files[0], weights=calibrated("factor"), reading="agreement").verdict == "measured"


class TestWhatDoesNotGoTogether:
    def test_a_reading_that_grows_cannot_be_calibrated(self, tree, tmp_path):
        setup = load_setup(backbone="temporal", reading="log_sum_exp", calibrating=True)
        with pytest.raises(UsageError, match=r"log_sum_exp grows .* choose another --reading"):
            calibrate(open_dataset(tree), setup, tmp_path / "out.safetensors")

    def test_features_of_different_width_have_no_cosine(self):
        with pytest.raises(UsageError, match="9216 features of lips and 96 of speech do not go with"):
            load_setup(backbone="mouth+temporal")

    @pytest.mark.parametrize("name", ["syncnet", "worst_moment", "mouth_detail"])
    def test_a_reading_that_a_lattice_is_not_ranked_by(self, name):
        with pytest.raises(UsageError, match=f"reading {name}: must be one of agreement, "):
            load_setup(backbone="temporal", reading=name)

    @pytest.mark.parametrize("options", [{"reading": "factor"}, {"features": EMBEDDED.parent}])
    def test_the_default_model_with_options_of_backbones(self, options):
        with pytest.raises(UsageError, match="readings and features of its own"):
            load_setup(**options)

    def test_a_head_and_the_features_of_other_weights(self, tmp_path):
        checkpoint = load_setup(backbone="temporal").checkpoint
        save_checkpoint(checkpoint.model, tmp_path / "head.safetensors", checkpoint.notes | {"features": "of others"})
        with pytest.raises(UsageError, match="not the weights on whose features"):
            load_setup(tmp_path / "head.safetensors")

    def test_features_that_are_not_there(self, tmp_path):
        with pytest.raises(UsageError, match="holds no features of temporal with trim paper"):
            load_setup(backbone="temporal", trim="paper", features=tmp_path)

    def test_an_unknown_check(self):
        with pytest.raises(
            UsageError, match=rf"^--checks hands: must be one or more of {', '.join(CHECKS)}, joined by commas$"
        ):
            load_setup(checks="lips,hands")

    def test_a_backbone_and_the_face(self):
        with pytest.raises(UsageError, match="a backbone has the check 'lips' only"):
            load_setup(backbone="temporal", checks="face")
        assert [check.name for check in load_setup(backbone="temporal", checks="lips").checks] == ["lips"]

    def test_an_unknown_face_detector(self):
        with pytest.raises(UsageError, match="no face detector is called 'mediapipe'; choose one of: dlib"):
            load_setup(faces="mediapipe")


class TestCalibration:
    def test_made_with_another_trim_is_refused_and_the_command_is_named(self):
        with pytest.raises(UsageError) as raised:
            load_setup(trim="paper")
        assert str(raised.value) == (
            "calibrated with --trim default, asked with --trim paper: "
            "run avsync calibrate ROOT --trim paper, or use --trim default"
        )

    def test_made_with_another_face_detector_is_refused(self, tmp_path):
        checkpoint = load_checkpoint(EMBEDDED)
        checkpoint.notes["calibration"]["conditions"]["faces"] = "other/1"
        save_checkpoint(checkpoint.model, tmp_path / "other.safetensors", checkpoint.notes)
        with pytest.raises(UsageError, match=r"face detector other/1, asked with dlib-68/2: run avsync calibrate ROOT"):
            load_setup(tmp_path / "other.safetensors")

    def test_that_lacks_a_check_is_refused_and_the_others_are_named(self, tmp_path):
        checkpoint = load_checkpoint(EMBEDDED)
        del checkpoint.notes["calibration"]["checks"]["face"]
        save_checkpoint(checkpoint.model, tmp_path / "lips.safetensors", checkpoint.notes)
        with pytest.raises(UsageError) as raised:
            load_setup(tmp_path / "lips.safetensors", checks="lips,face")
        assert str(raised.value) == (
            "the check 'face' is not calibrated; run avsync calibrate ROOT, or choose --checks lips"
        )
        assert load_setup(tmp_path / "lips.safetensors", checks="lips").calibration is not None

    def test_that_has_none_of_the_checks_names_the_command_alone(self, tmp_path):
        checkpoint = load_checkpoint(EMBEDDED)
        checkpoint.notes["calibration"]["checks"].clear()
        save_checkpoint(checkpoint.model, tmp_path / "none.safetensors", checkpoint.notes)
        with pytest.raises(UsageError) as raised:
            load_setup(tmp_path / "none.safetensors", checks="lips,face")
        assert str(raised.value) == "the check 'lips' is not calibrated; run avsync calibrate ROOT"

    def test_is_ignored_when_another_is_about_to_be_made(self):
        assert load_setup(trim="paper", calibrating=True).calibration is None

    def test_a_model_without_one_measures(self, files, tmp_path):
        verdict = score(files[0], weights=without_calibration(tmp_path / "new.safetensors"))
        assert verdict.verdict == "measured"
        assert verdict.anomaly_score == -reading_of(verdict, "agreement")

    def test_the_embedded_one_has_every_check_and_lips_and_face_together(self):
        calibration = load_setup().calibration
        assert set(calibration.references) == set(asked_by_default())
        assert ("face", "lips") in calibration.joint
        assert set(calibration.references["lips"].sign) == {"agreement"}
        assert set(calibration.references["face"].sign) == {r.name for r in readings_of("face") if r.odd}
        assert READINGS["worst_moment"].odd is None
