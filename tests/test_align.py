"""Inputs, lattice, losses, augmentation and checkpoints of the default model."""

import json
import math
from dataclasses import is_dataclass
from importlib import import_module

import numpy as np
import pytest
import torch

from avsync.align import TemporalAligner, TemporalConfig, info_nce, mean_over_time
from avsync.align.contrastive import Contrastive
from avsync.align.contrastive_module import ContrastiveModule, EncodedClip, retrieval, swap_auc
from avsync.align.lattice import lattice
from avsync.align.temporal import AugmentConfig
from avsync.align.temporal.augment import augment_geometry, augment_mel, augment_mouths
from avsync.align.temporal.augment.lips import grids
from avsync.align.temporal.geometry import lip_geometry, lip_points, mean_face, mirrored, principal_components
from avsync.align.temporal.inputs import PIXEL_SIDE, mouth_pixels, standardise_mel
from avsync.checkpoint import KINDS, Model, load_checkpoint, save_checkpoint
from avsync.config import OptimConfig, SegmentsConfig
from avsync.errors import UsageError

T = 20
SMALL = TemporalConfig(width=8, components=4)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def unit(*shape, generator):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def talking_face(frames=T, seed=0):
    """Landmarks [T, 68, 2] in pixels of a face whose lips and chin move."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(0, 100, (68, 2))
    face[36:42, 0] -= 100  # right eye left of the left eye
    landmarks = np.repeat(face[None], frames, axis=0)
    landmarks[:, 48:68] += rng.normal(0, 5, (frames, 20, 2))
    landmarks[:, 5:12] += rng.normal(0, 3, (frames, 7, 2))
    return landmarks.astype(np.float32)


def moved(landmarks, degrees, scale, shift):
    turn = scale * np.exp(1j * np.radians(degrees))
    points = turn * (landmarks[..., 0] + 1j * landmarks[..., 1]) + shift
    return np.stack([points.real, points.imag], axis=-1).astype(np.float32)


def with_silence(array, frames, value=None):
    """An array with frames put before it: its first row repeated, or `value`."""
    added = np.repeat(array[:1], frames, axis=0)
    return np.concatenate([added if value is None else np.full_like(added, value), array])


class TestInputs:
    def test_lip_points_do_not_depend_on_where_the_head_is(self):
        face, landmarks = mean_face(talking_face()), talking_face()
        there = moved(landmarks, degrees=20, scale=1.7, shift=40 - 30j)
        np.testing.assert_allclose(lip_points(there, face), lip_points(landmarks, face), atol=1e-4)

    def test_mean_face_is_upright_centred_and_of_unit_size(self):
        face = mean_face(moved(talking_face(), degrees=35, scale=3, shift=500))
        eyes = face[42:48].mean(axis=0) - face[36:42].mean(axis=0)
        assert eyes[0] > 0
        assert eyes[1] == pytest.approx(0, abs=1e-5)
        np.testing.assert_allclose(face.mean(axis=0), 0, atol=1e-5)
        assert (face**2).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)

    def test_mirroring_maps_every_landmark_to_its_counterpart(self):
        """Each part of the face maps to itself, left becomes right, and mirroring twice changes nothing."""
        landmarks = talking_face()
        there = mirrored(landmarks)
        np.testing.assert_array_equal(mirrored(there), landmarks)
        for part in (range(17), range(17, 27), range(27, 36), range(36, 48), range(48, 60), range(60, 68)):
            at = {tuple(point) for point in landmarks[0, part] * [-1, 1]}
            assert {tuple(point) for point in there[0, part]} == at

    def test_principal_components_have_unit_variance_over_speech(self):
        landmarks, speech = talking_face(400), np.ones(400, np.float32)
        face = mean_face(landmarks)
        components = principal_components([lip_points(landmarks, face)], [speech], 6)
        geometry = lip_geometry(landmarks, speech, face, components)
        np.testing.assert_allclose(np.cov(geometry.T, bias=True), np.eye(6), atol=1e-2)

    def test_added_silence_changes_no_input(self):
        rng = np.random.default_rng(1)
        landmarks, face = talking_face(), mean_face(talking_face())
        mouth = rng.integers(0, 256, (T, 96, 96), np.uint8)
        mel = rng.normal(-5, 2, (4 * T, 40)).astype(np.float32)
        speech = np.ones(T, np.float32)
        components = principal_components([lip_points(landmarks, face)], [speech], 4)
        padded = with_silence(speech, 9, 0)

        def inputs(landmarks, mouth, mel, speech):
            weight = torch.from_numpy(speech)[None]
            yield lip_geometry(landmarks, speech, face, components)
            yield mouth_pixels(torch.from_numpy(mouth)[None], weight)[0].numpy()
            yield standardise_mel(torch.from_numpy(mel)[None], weight)[0].numpy()

        plain = inputs(landmarks, mouth, mel, speech)
        silent = inputs(with_silence(landmarks, 9), with_silence(mouth, 9), with_silence(mel, 36, -16), padded)
        for before, after in zip(plain, silent, strict=True):
            np.testing.assert_allclose(after[-len(before) :], before, atol=1e-4)

    def test_a_clip_without_speech_still_has_finite_inputs(self):
        silence = torch.zeros(1, T)
        assert mouth_pixels(torch.zeros(1, T, 96, 96, dtype=torch.uint8), silence).isfinite().all()
        assert standardise_mel(torch.zeros(1, 4 * T, 40), silence).isfinite().all()


class TestLattice:
    def naive(self, lips, speech, weight, temperature, tau):
        """The definition, cell by cell: the fit minus the mean of its two log means over speech."""
        share = weight.double() / weight.sum()
        fit = temperature * (lips @ speech.T).double()
        cells = torch.full((len(lips), 2 * tau + 1), torch.nan, dtype=torch.float64)
        for t in range(len(lips)):
            for offset in range(-tau, tau + 1):
                if 0 <= t + offset < len(lips):
                    by_lips = (share * fit[t].exp()).sum().log()
                    by_speech = (share * fit[:, t + offset].exp()).sum().log()
                    cells[t, offset + tau] = fit[t, t + offset] - (by_lips + by_speech) / 2
        return cells.float()

    @pytest.mark.parametrize("tau", [0, 3, T + 5])
    def test_equals_the_naive_loop(self, random, tau):
        lips, speech = unit(T, 5, generator=random), unit(T, 5, generator=random)
        weight = torch.rand(T, generator=random)
        expected = self.naive(lips, speech, weight, 9.0, tau)
        torch.testing.assert_close(lattice(lips, speech, weight, 9.0, tau), expected, equal_nan=True, atol=1e-4, rtol=0)

    def test_its_mean_over_speech_peaks_at_the_lag(self, random):
        lips, spoken = unit(60, 16, generator=random), torch.ones(60)
        late = torch.roll(lips, 4, dims=0)
        curve = mean_over_time(lattice(lips, late, spoken, 10.0, 10), spoken)
        assert curve.argmax() - 10 == 4

    def test_silent_frames_have_weight_0(self, random):
        lips, speech = unit(60, 16, generator=random), unit(60, 16, generator=random)
        weight = torch.ones(60)
        weight[20:35] = 0
        changed = lips.clone()
        changed[20:35] = unit(15, 16, generator=random)
        before, after = (mean_over_time(lattice(v, speech, weight, 10.0, 5), weight) for v in (lips, changed))
        torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)

    def test_offsets_that_too_few_frames_cover_are_nan(self):
        curve = mean_over_time(lattice(torch.eye(10), torch.eye(10), torch.ones(10), 10.0, 9), torch.ones(10))
        assert curve.isnan().tolist() == [True] * 3 + [False] * 13 + [True] * 3


class TestLoss:
    def test_is_small_for_lips_that_fit_and_chance_for_lips_that_do_not(self, random):
        lips, other = unit(4, T, 64, generator=random), unit(4, T, 64, generator=random)
        spoken, sharp = torch.ones(4, T), torch.tensor(20.0)
        assert info_nce(lips, lips, sharp, spoken) < 0.1
        assert info_nce(lips, other, torch.tensor(0.0), spoken) == pytest.approx(math.log(T - 2), abs=0.1)

    def test_ignores_silence(self, random):
        lips, speech = unit(2, T, 8, generator=random), unit(2, T, 8, generator=random)
        weight = torch.ones(2, T)
        weight[:, 12:] = 0
        noise = torch.cat([torch.zeros(2, 12, 8), torch.randn(2, T - 12, 8, generator=random)], dim=1)
        hot = torch.tensor(10.0)
        assert info_nce(lips + noise, speech - noise, hot, weight) == info_nce(lips, speech, hot, weight)

    def test_neighbouring_frames_are_no_negatives(self, random):
        lips = unit(1, 1, 8, generator=random).expand(1, 3, 8)
        weight = torch.tensor([[1.0, 1.0, 0.0]])  # the two spoken frames are neighbours
        assert info_nce(lips, lips, torch.tensor(10.0), weight) == 0

    def test_speech_of_another_segment_of_the_speaker_is_a_negative(self, random):
        """Two segments alike: each frame has a twin that fits as well, but only if the segments are joined."""
        lips = unit(1, T, 64, generator=random).repeat(2, 1, 1)
        alone, joined = (
            ContrastiveModule(Contrastive(None), OptimConfig(), SegmentsConfig(batch_size=2, per_speaker=n))
            for n in (1, 2)
        )
        loss, twins = (float(module.loss(lips, lips, torch.ones(2, T))) for module in (alone, joined))
        assert twins == pytest.approx(loss + math.log(2), abs=0.1)

    def test_of_pure_silence_is_zero_and_has_a_gradient(self, random):
        lips = unit(1, T, 8, generator=random).requires_grad_()
        loss = info_nce(lips, lips, torch.tensor(10.0), torch.zeros(1, T))
        loss.backward()
        assert loss == 0
        assert lips.grad.isfinite().all()


class TestAugmentation:
    def altered(self, seed, **config):
        data, generator = torch.Generator().manual_seed(7), torch.Generator().manual_seed(seed)
        mouths = torch.randint(0, 256, (3, T, 96, 96), dtype=torch.uint8, generator=data)
        geometry, mel = torch.randn(3, T, 4, generator=data), torch.randn(3, 4 * T, 40, generator=data)
        yield augment_mouths(mouths, torch.ones(3, T), AugmentConfig(**config), generator)
        yield augment_geometry(geometry, generator)
        yield augment_mel(mel, generator)

    @pytest.mark.parametrize("config", [{}, {"random_filter": 1.0}])
    def test_keeps_shapes_and_is_the_same_for_the_same_seed(self, config):
        torch.manual_seed(1)
        first = list(self.altered(5, **config))
        torch.manual_seed(2)
        assert [tuple(x.shape) for x in first] == [(3, T, PIXEL_SIDE, PIXEL_SIDE), (3, T, 4), (3, 4 * T, 40)]
        for a, b, c in zip(first, self.altered(5, **config), self.altered(6, **config), strict=True):
            assert torch.equal(a, b)
            assert not torch.equal(a, c)
            assert a.isfinite().all()

    def test_sound_is_changed_where_it_is_and_no_earlier(self):
        """A click in silence: noise, echo and masks change it, but nothing moves it in time."""
        mel = torch.full((64, 100, 40), -16.0)
        mel[:, 50] = 0.0
        heard = augment_mel(mel, torch.Generator().manual_seed(0))
        loudest = heard.mean(dim=2).argmax(dim=1)
        assert (loudest == 50).float().mean() > 0.9
        assert (loudest >= 50).float().mean() > 0.9

    def test_the_grid_of_a_turned_mouth_is_narrower_on_one_side(self):
        found = grids(200, torch.Generator().manual_seed(0))
        across = (found[:, 24, 1:, 0] - found[:, 24, :-1, 0]).abs()
        halves = across[:, :20].mean(dim=1) / across[:, -20:].mean(dim=1)
        assert 0.7 < halves.min() < 0.95 < 1.05 < halves.max() < 1.4


class TestAligner:
    @pytest.mark.parametrize("config", [SMALL, TemporalConfig(pixels=False, width=8), TemporalConfig(landmarks=False)])
    def test_features_have_unit_length_and_one_row_a_frame(self, config, random):
        model = TemporalAligner(config)
        lips = model.lip_features(torch.randn(2, T, config.components), torch.randn(2, T, PIXEL_SIDE, PIXEL_SIDE))
        speech = model.speech_features(torch.randn(2, 4 * T, 40))
        assert lips.shape == speech.shape == (2, T, 96)
        torch.testing.assert_close(torch.cat([lips, speech]).norm(dim=-1), torch.ones(4, T))

    def test_default_is_small(self):
        assert sum(p.numel() for p in TemporalAligner(TemporalConfig()).parameters()) < 500_000

    @pytest.mark.parametrize(
        "settings", [{"landmarks": False, "pixels": False}, {"width": 0}, {"components": 55}, {"dropout": 1.0}]
    )
    def test_refuses_settings_out_of_range(self, settings):
        with pytest.raises(ValueError, match="model"):
            TemporalConfig(**settings)


class TestCheckpoint:
    @pytest.fixture
    def saved(self, tmp_path):
        torch.manual_seed(0)
        model = TemporalAligner(SMALL).eval()
        model.components.normal_()
        model.mean_face.copy_(torch.from_numpy(mean_face(talking_face())))
        save_checkpoint(model, tmp_path / "model.safetensors", {"provenance": {"licence": "CC BY 4.0"}})
        return model, tmp_path / "model.safetensors"

    @pytest.mark.parametrize("name", KINDS)
    def test_every_kind_is_filed_under_its_format(self, name):
        module, model, config = KINDS[name]
        kind = getattr(import_module(module), model)
        assert issubclass(kind, Model)
        assert (kind.format, is_dataclass(getattr(import_module(module), config))) == (name, True)
        assert kind.check in ("lips", "voice", "appearance", "none")

    def test_a_loaded_model_equals_the_saved_one(self, saved):
        model, path = saved
        clip = (
            talking_face(),
            np.zeros((T, 96, 96), np.uint8),
            np.zeros((4 * T, 40), np.float32),
            np.ones(T, np.float32),
        )
        loaded = load_checkpoint(path)
        assert loaded.notes["provenance"] == {"licence": "CC BY 4.0"}
        assert loaded.model.config == SMALL
        for before, after in zip(model.encode(*clip), loaded.model.encode(*clip), strict=True):
            assert torch.equal(before, after)

    def test_can_be_saved_again_with_more_notes(self, saved):
        model, path = saved
        model.components.zero_()
        save_checkpoint(model, path, {**load_checkpoint(path).notes, "calibration": [1, 2]})
        assert load_checkpoint(path).notes["calibration"] == [1, 2]

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95 a pickle", b"\xff" * 64])
    def test_foreign_weights_are_a_usage_error(self, saved, content):
        _, path = saved
        path.write_bytes(content)
        with pytest.raises(UsageError):
            load_checkpoint(path)

    def test_truncated_weights_are_a_usage_error(self, saved):
        _, path = saved
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(UsageError, match="not the weights"):
            load_checkpoint(path)

    def test_weights_of_another_shape_are_a_usage_error(self, saved):
        _, path = saved
        notes = json.loads(path.with_suffix(".json").read_text())
        notes["model"]["width"] = 16
        path.with_suffix(".json").write_text(json.dumps(notes))
        with pytest.raises(UsageError, match="not the weights of this model"):
            load_checkpoint(path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "null",
            "{}",
            '{"format": "other/1"}',
            "[" * 100_000,
            '{"format": "avsync.temporal/1", "model": {"x": 1}}',
        ],
    )
    def test_a_foreign_description_is_a_usage_error(self, saved, text):
        _, path = saved
        path.with_suffix(".json").write_text(text)
        with pytest.raises(UsageError, match="not the description"):
            load_checkpoint(path)

    def test_a_missing_file_is_a_usage_error(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load_checkpoint(tmp_path / "model.safetensors")

    def test_weights_that_are_not_finite_are_a_usage_error(self, saved):
        model, path = saved
        model.components.fill_(torch.nan)
        save_checkpoint(model, path, {})
        with pytest.raises(UsageError, match="not numbers"):
            load_checkpoint(path)


class TestValidation:
    def clips(self, random, fits):
        for speaker in "abc":
            lips = unit(40, 32, generator=random)
            speech = lips if fits else unit(40, 32, generator=random)
            yield EncodedClip(lips, speech, torch.ones(40), speaker)

    def test_lips_that_fit_are_found_and_swaps_told_apart(self, random):
        clips = list(self.clips(random, fits=True))
        assert retrieval(clips) == 1
        assert swap_auc(clips, temperature=10.0) == 1

    def test_lips_that_do_not_fit_are_at_chance(self, random):
        assert retrieval(list(self.clips(random, fits=False))) < 0.3

    def test_silence_has_no_metrics(self, random):
        clips = [clip._replace(speech_share=torch.zeros(40)) for clip in self.clips(random, fits=True)]
        assert math.isnan(retrieval(clips))
        assert math.isnan(swap_auc(clips, temperature=10.0))
