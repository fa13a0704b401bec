"""What the quality measures of stress sets see, on pictures whose flaws are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from avsync.reconstruct.face import REGIONS
from avsync.stress.assess import allowed
from avsync.stress.measures import Quality, likeness, look, psnr

T, SIDE = 12, 96
GOOD = Quality(psnr=30.0, ssim=0.9, sharpness=0.1, boundary=0.1, jitter=0.4, colour=1.0)
ALL_GOOD = dict.fromkeys(REGIONS, GOOD)


@pytest.fixture(scope="module")
def real():
    """Soft texture like that of skin, that drifts, with camera noise: uint8 [12, 96, 96, 3]."""
    rng = np.random.default_rng(0)
    texture = 128 + 150 * gaussian_filter(rng.normal(size=(SIDE, SIDE + T, 3)), (3, 3, 0))
    moved = np.stack([texture[:, t : t + SIDE] for t in range(T)])
    return (moved + rng.normal(0, 3, moved.shape)).round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def masks():
    """A disk with a soft edge in the middle of every picture."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    disk = np.clip((30 - np.hypot(rows, columns)) / 6, 0, 1)
    return np.tile(disk.astype(np.float32), (T, 1, 1))


def distances(real, made, masks):
    return look(made, masks).against(look(real, masks))


def inside(real, made, masks):
    """The real pictures with others inside the masks."""
    return (real + masks[..., None] * (made.astype(np.float32) - real)).round().clip(0, 255).astype(np.uint8)


def test_the_same_pictures_have_no_distance(real, masks):
    assert distances(real, real, masks) == {"sharpness": 0, "boundary": 0, "jitter": 0, "colour": 0}
    error, similar = likeness(real, real, masks)
    assert error.max() == 0
    assert similar.min() == pytest.approx(1)


def test_psnr_is_that_of_the_error_inside_the_mask(real, masks):
    """Ten grey levels are 20 log10(255 / 10) = 28.13 dB; what is outside does not count."""
    other = real.astype(int) + np.where(masks[..., None] > 0, 10, 100)
    error, _ = likeness(real, other.clip(0, 255).astype(np.uint8), masks * (real.max(axis=-1) < 240))
    assert psnr(float(error.mean())) == pytest.approx(28.13, abs=0.01)


def test_blur_inside_is_less_sharp(real, masks):
    blurred = gaussian_filter(real.astype(np.float32), (0, 1.5, 1.5, 0))
    assert distances(real, inside(real, blurred, masks), masks)["sharpness"] < -0.5


def test_blur_everywhere_is_no_difference_between_inside_and_outside(real, masks):
    blurred = gaussian_filter(real.astype(np.float32), (0, 1.5, 1.5, 0)).round().astype(np.uint8)
    assert abs(distances(real, blurred, masks)["sharpness"]) < 0.1


def test_a_seam_is_a_gradient_along_the_edge(real, masks):
    step = inside(real, real + np.float32((40, 0, 0)), (masks > 0.5).astype(np.float32))
    found = distances(real, step, masks)
    assert found["boundary"] > 0.1
    assert found["colour"] > 5


def test_flicker_shakes_and_smoothing_over_time_does_the_opposite(real, masks):
    light = np.where(np.arange(T) % 2, 6, -6)[:, None, None, None]
    assert distances(real, inside(real, real.astype(np.float32) + light, masks), masks)["jitter"] > 0.3
    smooth = gaussian_filter(real.astype(np.float32), (1, 0, 0, 0))
    assert distances(real, inside(real, smooth, masks), masks)["jitter"] < -0.3


def test_a_flaw_is_the_largest_share_of_a_bound():
    assert GOOD.flaw(GOOD) == pytest.approx(1)
    assert replace(GOOD, sharpness=-0.3).flaw(GOOD) == pytest.approx(3)
    assert replace(GOOD, psnr=30 + 20 * np.log10(2)).shares(GOOD)["psnr"] == pytest.approx(0.5)
    assert replace(GOOD, ssim=0.95).shares(GOOD)["ssim"] == pytest.approx(0.5)


def test_what_was_not_rebuilt_never_passes():
    assert replace(GOOD, boundary=float("nan")).flaw(GOOD) == float("inf")


def test_bounds_are_what_a_share_of_real_clips_keep_each_person_weighing_the_same():
    """Nine clips of one person and one each of three others: the nine count as one."""
    jitters = [0.1] * 9 + [-0.2, 0.3, -0.4]
    real = [{**ALL_GOOD, "mouth": replace(GOOD, jitter=jitter, psnr=40 - 10 * abs(jitter))} for jitter in jitters]
    bounds = allowed(real, [*["a"] * 9, "b", "c", "d"], 0.75)
    assert bounds["mouth"].jitter == pytest.approx(0.3)
    assert bounds["mouth"].psnr == pytest.approx(37)
    assert bounds["hull"].jitter == pytest.approx(GOOD.jitter)
