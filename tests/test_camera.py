"""Lenses, sensors, scaling and codecs: what real and rebuilt faces both go through."""

from dataclasses import replace

import numpy as np
import pytest
from talking import face

from avsync.reconstruct.camera import Camera, CameraChances, encoded, sensor_noise

NEVER = CameraChances(blur=0, rescale=0, noise=0, codec=0, again=0)


@pytest.fixture(scope="module")
def pictures():
    """Ten pictures of a smooth pattern with edges that moves, uint8 [10, 96, 80, 3]."""
    rows, columns, at = np.meshgrid(np.arange(96), np.arange(80), np.arange(10), indexing="ij")
    wave = 128 + 60 * np.sin((columns + 2 * at) / 9) + 40 * ((rows // 24) % 2)
    moving = np.stack([wave, wave * 0.8, 255 - wave], axis=-1).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(moving.transpose(2, 0, 1, 3))


def shot(pictures, seed, **chances):
    return Camera(np.random.default_rng(seed), replace(NEVER, **chances))(pictures)


def detail(pictures):
    """Mean change from pixel to pixel."""
    return np.abs(np.diff(pictures.astype(float), axis=2)).mean()


@pytest.mark.parametrize("seed", range(8))
def test_every_draw_keeps_the_shape_and_what_is_seen(pictures, seed):
    seen = Camera(np.random.default_rng(seed))(pictures)
    assert (seen.shape, seen.dtype) == (pictures.shape, np.uint8)
    assert np.abs(seen.astype(float).mean(axis=(1, 2)) - pictures.mean(axis=(1, 2))).max() < 6
    assert np.corrcoef(seen[..., 0].ravel(), pictures[..., 0].ravel())[0, 1] > 0.9


def test_one_draw_does_the_same_to_everything_that_goes_through_it(pictures):
    camera = Camera(np.random.default_rng(3), CameraChances(1, 1, 1, 1, 1))
    np.testing.assert_array_equal(camera(pictures), camera(pictures))


def test_the_same_seed_draws_the_same_chain_and_another_one_another(pictures):
    one, same, other = (Camera(np.random.default_rng(seed))(pictures) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_without_effects_nothing_changes(pictures):
    np.testing.assert_array_equal(shot(pictures, 0), pictures)


def test_two_stacks_meet_the_same_noise():
    """A real face and its reconstruction must not be told apart by the noise that was added."""
    dark, light = (np.full((4, 64, 64, 3), level, np.uint8) for level in (90, 160))
    np.testing.assert_array_equal(shot(dark, 1, noise=1) + np.uint8(70), shot(light, 1, noise=1))
    assert shot(dark, 1, noise=1).std() > 0.3


def test_noise_is_new_on_each_picture_and_as_strong_as_it_says():
    for grain in (0.0, 0.8):
        noise = sensor_noise((3, 128, 128, 3), grain, np.random.default_rng(0))
        assert noise.std() == pytest.approx(1, abs=0.02)
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02
        beside = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
        assert (beside > 0.3) == (grain > 0)


@pytest.mark.parametrize("effect", ["blur", "rescale"])
def test_lens_and_scaling_take_away_detail(effect):
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    seen = [detail(shot(noise, seed, **{effect: 1})) for seed in range(5)]
    assert max(seen) < detail(noise)
    assert min(seen) < 0.6 * detail(noise)


class TestEncoded:
    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    def test_lower_quality_loses_more(self, codec, pictures):
        losses = [
            np.abs(encoded(pictures, codec, crf, "veryfast").astype(float) - pictures).mean() for crf in (10, 25, 40)
        ]
        assert losses == sorted(losses)
        assert losses[0] < 4 < losses[2] < 25

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    @pytest.mark.parametrize("shape", [(1, 16, 16, 3), (3, 65, 33, 3), (2, 128, 97, 3)])
    def test_small_pictures_and_odd_sides_are_encoded(self, codec, shape):
        grey = np.full(shape, 120, np.uint8)
        seen = encoded(grey, codec, 20, "ultrafast")
        assert seen.shape == shape
        np.testing.assert_allclose(seen, 120, atol=3)

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    def test_pictures_stay_in_order(self, codec):
        levels = np.array([30, 200, 60, 170, 90, 140, 120], np.uint8)
        steps = np.broadcast_to(levels[:, None, None, None], (7, 64, 64, 3)).copy()
        np.testing.assert_allclose(encoded(steps, codec, 20, "medium").mean(axis=(1, 2, 3)), levels, atol=4)

    @pytest.mark.parametrize("codec", ["libx264", "libx265"])
    def test_the_same_pictures_are_encoded_alike(self, codec):
        """Noise on a face that moves is what x264's macroblock tree read differently in every run."""
        noise = np.random.default_rng(0).integers(-6, 7, (18, 192, 192, 3))
        noisy = (face()[:18, ..., None] + noise).clip(0, 255).astype(np.uint8)
        once, again, last = (encoded(noisy, codec, 20, "medium") for _ in range(3))
        assert (once == again).all()
        assert (once == last).all()
