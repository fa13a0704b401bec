"""The demo's clips: synthetic speech, a face whose lips match it, and a dub that does not match."""

from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
import pytest

from avsync.demo import make_clips
from avsync.demo.face import SIDE, talk
from avsync.demo.voice import Utterance, speak
from avsync.errors import UsageError
from avsync.media import FPS, RATE, audio_blocks, frames

SECONDS = 6.0
INNER_UPPER, INNER_LOWER = [61, 62, 63], [67, 66, 65]


def loudness(waveform: np.ndarray) -> np.ndarray:
    """RMS in each 25 Hz frame."""
    return np.sqrt(np.mean(waveform[: len(waveform) // 640 * 640].reshape(-1, 640) ** 2, axis=1))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    size = min(len(a), len(b))
    return float(np.corrcoef(a[:size], b[:size])[0, 1])


@pytest.fixture(scope="module")
def utterance() -> Utterance:
    return speak(SECONDS, seed=0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_clips(tmp_path_factory.mktemp("demo") / "new", seconds=SECONDS)


def test_an_utterance_has_the_given_length_and_full_ranges(utterance: Utterance):
    assert utterance.waveform.shape == (SECONDS * RATE,)
    assert utterance.waveform.dtype == np.float32
    assert np.abs(utterance.waveform).max() < 1.0
    assert utterance.opening.shape == utterance.width.shape == (SECONDS * FPS,)
    assert utterance.opening.min() == 0.0
    assert 0.6 < utterance.opening.max() <= 1.0
    assert utterance.width.min() < -0.3
    assert utterance.width.max() > 0.3


def test_a_seed_repeats_its_utterance_and_another_take_differs(utterance: Utterance):
    again, other = speak(SECONDS, seed=0), speak(SECONDS, seed=0, take=1)
    np.testing.assert_array_equal(again.waveform, utterance.waveform)
    np.testing.assert_array_equal(again.opening, utterance.opening)
    assert correlation(other.opening, utterance.opening) < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_closed_lips_let_no_sound_out(seed: int):
    said = speak(SECONDS, seed)
    decibels = 20 * np.log10(loudness(said.waveform))
    # A frame is silent, except for a murmured m, if the lips are closed in its middle and in its neighbours' middle.
    opening = np.pad(said.opening, 1)
    shut = np.maximum(np.maximum(opening[:-2], opening[1:-1]), opening[2:]) == 0.0
    assert shut.any()
    assert decibels[shut].max() < np.median(decibels[said.opening > 0.3]) - 12.0
    # On average, single closures between vowels are quieter too.
    assert np.median(decibels[said.opening == 0.0]) < np.median(decibels[said.opening > 0.3]) - 20.0


def test_rounded_vowels_are_narrow_and_low_in_frequency(utterance: Utterance):
    blocks = utterance.waveform.reshape(-1, 640) * np.hanning(640).astype(np.float32)
    power = np.abs(np.fft.rfft(blocks)) ** 2
    hertz = np.fft.rfftfreq(640, 1 / RATE)
    above_f1 = (hertz > 900.0) & (hertz < 3500.0)
    centre = (power[:, above_f1] @ hertz[above_f1]) / power[:, above_f1].sum(axis=1)
    voiced = utterance.opening > 0.15
    rounded, spread = voiced & (utterance.width < -0.4), voiced & (utterance.width > 0.4)
    assert np.median(centre[rounded]) < np.median(centre[spread]) - 300.0


def test_every_utterance_has_the_same_loudness_and_the_same_silence_at_its_ends():
    takes = [speak(SECONDS, seed, take).waveform for seed in range(3) for take in range(2)]
    levels = [float(np.sqrt(np.mean(waveform**2))) for waveform in takes]
    assert max(levels) / min(levels) < 1.02
    for waveform in takes:
        audible = np.flatnonzero(loudness(waveform) > 0.005) / FPS
        assert audible[0] == pytest.approx(0.16, abs=0.05)
        assert audible[-1] == pytest.approx(SECONDS - 0.2, abs=0.13)


def test_a_seed_repeats_its_pictures_and_they_never_stand_still():
    gap, width = np.full(3, 0.4, np.float32), np.zeros(3, np.float32)
    first, again, other = (list(talk(gap, width, seed)) for seed in (0, 0, 1))
    assert first[0].shape == (SIDE, SIDE, 3)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).any()
    assert (first[0] != first[1]).any()


def test_the_clips_have_the_same_pictures_and_different_sound(clips: tuple[Path, Path]):
    in_sync, dubbed = clips
    assert (in_sync.name, dubbed.name) == ("in_sync.mp4", "dubbed.mp4")
    assert sorted(in_sync.parent.iterdir()) == sorted(clips)
    pictures = [[frame.image for frame in frames(clip)] for clip in clips]
    np.testing.assert_array_equal(*pictures)
    assert np.shape(pictures[0]) == (SECONDS * FPS, SIDE, SIDE)
    sounds = [np.concatenate(list(audio_blocks(clip))) for clip in clips]
    assert abs(len(sounds[0]) - SECONDS * RATE) <= 2048  # AAC pads its last frame
    assert len(sounds[0]) == len(sounds[1])


def test_loudness_follows_the_lips_in_sync_and_not_when_dubbed(clips: tuple[Path, Path], utterance: Utterance):
    in_sync, dubbed = (loudness(np.concatenate(list(audio_blocks(clip)))) for clip in clips)
    by_lag = {lag: correlation(np.roll(in_sync, -lag), utterance.opening) for lag in range(-5, 6)}
    assert max(by_lag, key=by_lag.__getitem__) == 0
    assert by_lag[0] > 0.8
    assert correlation(dubbed, utterance.opening) < 0.3


def test_landmarks_found_on_the_clip_follow_the_lips(clips: tuple[Path, Path], utterance: Utterance):
    (folder,) = find_spec("face_recognition_models").submodule_search_locations
    predictor = dlib.shape_predictor(str(Path(folder, "models", "shape_predictor_68_face_landmarks.dat")))
    pictures = [frame.image for frame in frames(clips[0])]
    (face,) = dlib.get_frontal_face_detector()(pictures[0], 0)
    points = np.array([[(p.x, p.y) for p in predictor(picture, face).parts()] for picture in pictures], float)
    gap = np.linalg.norm(points[:, INNER_UPPER] - points[:, INNER_LOWER], axis=2).mean(axis=1)
    width = np.linalg.norm(points[:, 48] - points[:, 54], axis=1)
    chin = np.linalg.norm(points[:, 8] - points[:, 27], axis=1)
    assert correlation(gap, utterance.opening) > 0.9
    assert correlation(chin, utterance.opening) > 0.8
    assert correlation(width, utterance.width) > 0.8


def test_no_network_is_needed(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_args: object) -> None:
        raise AssertionError("the demo asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert len(list(talk(np.zeros(1, np.float32), np.zeros(1, np.float32), seed=0))) == 1


def test_a_clip_too_short_to_speak_in_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="1 s or more"):
        make_clips(tmp_path, seconds=0.5)
