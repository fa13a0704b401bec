"""Which pictures are new, which repeat the one before, and which stand still."""

import numpy as np
import pytest
from talking import face

from avsync.media import FPS, Frame, ShownPictures, frames, write_clip

SCENE = np.random.default_rng(0).integers(0, 256, (200, 64, 96), np.uint8)


def shown_by(images):
    """What is shown by frames with these pictures, each of them new in the file."""
    shown = ShownPictures()
    for index, image in enumerate(images):
        shown.add(Frame(index / FPS, image, index / FPS))
    return shown


@pytest.mark.parametrize(("rate", "share"), [(25, 0), (12.5, 0.5), (5, 0.8), (1, 0.96)])
def test_repeated_pictures_do_not_count(rate, share):
    index = (np.arange(200) // (FPS / rate)).astype(int)
    shown = shown_by(SCENE[index])
    assert shown.rate == pytest.approx(rate)
    assert shown.repeated_share == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("rate", [15, 20, 24])
def test_rates_that_do_not_divide_25(rate):
    index = (np.arange(200) * rate // FPS).astype(int)
    assert shown_by(SCENE[index]).rate == pytest.approx(rate, rel=0.05)


def test_repeated_pictures_that_are_encoded_again_do_not_count(tmp_path):
    smooth = np.kron(np.random.default_rng(0).integers(0, 256, (40, 6, 8), np.uint8), np.ones((16, 16), np.uint8))
    write_clip(tmp_path / "clip.mp4", np.repeat(smooth, 5, axis=0), None, crf=28)
    assert shown_by([frame.image for frame in frames(tmp_path / "clip.mp4")]).rate == pytest.approx(5, rel=0.1)


def test_a_photograph_has_no_rate_and_stands_still():
    shown = shown_by(np.repeat(SCENE[:1], 100, axis=0))
    assert (shown.rate, shown.repeated_share, shown.stands_still) == (None, 1.0, True)


def test_pictures_that_only_an_encoder_changes_do_not_move():
    """Encoders that change a still picture at all change it by about one grey level."""
    changed = np.random.default_rng(0).integers(0, 3, (75, *face(3.0)[0].shape), np.uint8)
    shown = shown_by(np.minimum(face(3.0)[0], 250) + changed)
    assert (shown.repeated_share, shown.moving_share, shown.rate) == (0, 0, None)


@pytest.mark.parametrize("crf", [18, 23, 28, 33])
def test_an_encoded_photograph_does_not_move_and_a_talking_face_does(tmp_path, crf):
    photograph, talking = np.repeat(face(3.0)[:1], 75, axis=0), face(3.0)
    for name, pictures, shares in (("still", photograph, (None, 0)), ("talking", talking, (1,))):
        write_clip(tmp_path / f"{name}.mp4", pictures, None, crf=crf)
        shown = shown_by([frame.image for frame in frames(tmp_path / f"{name}.mp4")])
        assert shown.moving_share in shares
        assert name == "still" or shown.repeated_share == 0


def test_moments_in_which_nothing_moves_do_not_count():
    index = np.concatenate([np.arange(50), np.full(20, 49), np.arange(50, 100)])
    assert shown_by(SCENE[index]).rate == pytest.approx(25)


def test_slow_motion_counts():
    """Changes of two grey levels, a moment after a cut."""
    slow = [np.full((64, 96), 20 + 2 * index, np.uint8) for index in range(100)]
    assert shown_by([SCENE[0], *slow]).rate == pytest.approx(25)


def test_a_picture_that_stands_still_for_more_than_half_a_second_is_a_freeze():
    for held, frozen in ((12, False), (14, True)):
        assert shown_by(SCENE[[*range(50), *[49] * held]]).stands_still is frozen
