"""Footage of faces is what the file shows: the colours, the squares and the times of its face clips."""

import numpy as np
import pytest
from talking import face, voice, write

from avsync.errors import CannotJudge, Reason
from avsync.media import FPS, frames, write_clip
from avsync.reconstruct.face.footage import paste, read_footage
from avsync.recording import open_recording

SIZE = 64


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Three seconds of a talking face, grey, beside a red stripe."""
    pictures = np.repeat(face()[..., None], 3, axis=3)
    pictures[:, :, :8] = (200, 30, 30)
    path = tmp_path_factory.mktemp("file") / "talking.mp4"
    write_clip(path, pictures, voice())
    return path


@pytest.fixture(scope="module")
def pieces(path):
    return list(read_footage(path, size=SIZE, seconds=1))


def test_pictures_have_the_colours_of_the_file(path):
    coloured = next(iter(frames(path, colour=True)))
    grey = next(iter(frames(path)))
    assert coloured.image.shape == (*grey.image.shape, 3)
    assert coloured.time == grey.time
    stripe, beside = coloured.image[:, 1:5].mean(axis=(0, 1)), coloured.image[:, 40:].mean(axis=(0, 1))
    assert stripe[0] > stripe[1] + 100
    assert np.ptp(beside) < 6


def test_footage_is_that_of_the_face_clips(path, pieces):
    clips = list(open_recording(path).face_clips(seconds=1, whole=True))
    assert [len(piece) for piece in pieces] == [len(clip) for clip in clips]
    for piece, clip in zip(pieces, clips, strict=True):
        assert piece.start == pytest.approx(clip.start)
        np.testing.assert_array_equal(piece.squares, clip.squares)
        np.testing.assert_allclose((piece.points + 0.5) / SIZE, (clip.points + 0.5) / 192, atol=1e-5)
        assert piece.pictures.shape == (len(clip), SIZE, SIZE, 3)


def test_each_picture_is_the_square_of_its_own_frame(path, pieces):
    """The grey patch of a face clip, at the size of the footage."""
    clips = open_recording(path).face_clips(seconds=1, whole=True)
    for piece, clip in zip(pieces, clips, strict=True):
        luma = piece.pictures.astype(float) @ [0.299, 0.587, 0.114]
        patches = clip.patches.reshape(len(clip), SIZE, 3, SIZE, 3).mean(axis=(2, 4)).astype(float)
        right, wrong = np.abs(luma - patches), np.abs(luma - patches[::-1])
        assert right.mean() < 8
        assert right.mean() < wrong.mean()


def test_what_is_pasted_back_unchanged_is_the_picture(path, pieces):
    shown = {round(frame.time * FPS): frame.image for frame in frames(path, colour=True)}
    for piece in pieces:
        picture = shown[round(piece.start * FPS)]
        done = paste(picture, piece.pictures[0], np.zeros((SIZE, SIZE), np.float32), piece.squares[0])
        np.testing.assert_array_equal(done, picture)
        whole = paste(picture, piece.pictures[0], np.ones((SIZE, SIZE), np.float32), piece.squares[0])
        assert np.abs(whole.astype(float) - picture).mean() < 6  # what scaling to 64 pixels and back loses


def test_a_file_without_a_face_is_refused(tmp_path):
    empty = write(tmp_path / "empty.mkv", np.full((75, 96, 96), 90, np.uint8), voice(), codec="pcm_s16le")
    with pytest.raises(CannotJudge) as raised:
        list(read_footage(empty))
    assert raised.value.reason in (Reason.NO_FACE, Reason.LOW_FRAME_RATE)
