"""Speech is found where it is, whatever surrounds it and however loud it is; filterbanks."""

import wave
from pathlib import Path

import numpy as np
import pytest

from avsync.demo.voice import speak
from avsync.media import FPS, RATE, Sound
from avsync.speech import SpeechActivity, log_mel, speech_activity

VOICE = speak(4.0, seed=0).waveform  # audible from 0.16 s to 3.84 s
ROOM = 0.001  # -60 dB


@pytest.fixture
def wav(tmp_path):
    def write(samples) -> Path:
        path = tmp_path / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def segments(wav):
    return lambda samples: speech_activity(Sound(wav(samples))).segments


def noise(seconds, level=1.0, seed=0):
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


def tone(hertz, seconds=2.0, level=0.3):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE, dtype=np.float32)


class TestFindingSpeech:
    def test_is_found_between_silences(self, segments):
        found = segments(np.concatenate([noise(1.5, ROOM), VOICE, noise(2.5, ROOM, 1), VOICE, noise(1, ROOM, 2)]))
        first, second = (found[(found[:, 0] >= a) & (found[:, 1] <= b)] for a, b in [(1.5, 5.5), (8, 12)])
        assert len(first) + len(second) == len(found)
        for part, at in ((first, 1.5), (second, 8.0)):
            assert part[0, 0] == pytest.approx(at + 0.16, abs=0.12)
            assert part[-1, 1] == pytest.approx(at + 3.84, abs=0.12)
            assert np.diff(part).sum() > 2.5

    def test_segments_are_sorted_and_inside_the_file(self, wav):
        activity = speech_activity(Sound(wav(VOICE)))
        assert activity.duration == pytest.approx(4.0)
        assert (activity.start, activity.stop) == (activity.segments[0, 0], activity.segments[-1, 1])
        edges = activity.segments.ravel()
        assert (np.diff(edges) > 0).all()
        assert edges[0] >= 0
        assert edges[-1] <= 4.0

    @pytest.mark.parametrize("gain", [0.03, 0.3, 3.0])
    def test_loudness_does_not_matter(self, segments, gain):
        np.testing.assert_allclose(segments(gain * VOICE), segments(VOICE), atol=0.011)

    @pytest.mark.parametrize("seconds", [0.04, 0.52, 2.0])
    @pytest.mark.parametrize("level", [0.0, ROOM], ids=["digital zero", "-60 dB"])
    def test_silence_around_speech_only_shifts_it(self, segments, seconds, level):
        # The voice is cut in the middle of a word and of a 10 ms step.
        voice = VOICE[3000:46_050]
        around = np.concatenate([noise(seconds, level), voice, noise(seconds, level, seed=1)])
        np.testing.assert_allclose(segments(around) - seconds, segments(voice), atol=0 if level else 0.011, rtol=1e-9)

    @pytest.mark.parametrize(
        "sound",
        [np.zeros(2 * RATE), noise(3, ROOM), noise(3, 0.1), tone(100), tone(440), tone(3000), noise(0.004), []],
        ids=["zero", "room tone", "loud noise", "hum", "tone", "whistle", "click", "no sample at all"],
    )
    def test_none_is_found_in_other_sound(self, segments, sound):
        assert segments(sound).shape == (0, 2)

    def test_long_sound_is_read_in_pieces_without_gaps(self, segments):
        """The voice continues across 30 s, where a new piece starts."""
        found = segments(np.concatenate([VOICE, np.zeros(round(24.3 * RATE), np.float32), VOICE]))
        alone = segments(VOICE)
        assert found[-1, 1] - 28.3 == pytest.approx(alone[-1, 1], abs=0.02)
        assert np.diff(found).sum() == pytest.approx(2 * np.diff(alone).sum(), abs=0.15)


class TestOtherRules:
    @pytest.mark.parametrize(("first", "begin"), [(0, 0.0), (1, 0.04), (639, 0.04), (640, 0.08), (12_345, 0.8)])
    def test_paper_leaves_out_the_frame_that_the_silence_ends_in(self, wav, first, begin):
        sound = np.full(2 * RATE, 0.0004, np.float32)
        sound[first] = -0.001
        activity = speech_activity(Sound(wav(sound)), "paper")
        np.testing.assert_allclose(activity.segments, [[begin, 2.0]])

    def test_paper_finds_nothing_in_what_stays_below_the_threshold(self, wav):
        assert len(speech_activity(Sound(wav(np.full(RATE, 0.0004))), "paper").segments) == 0

    @pytest.mark.parametrize("trim", ["default", "paper", "none"])
    def test_a_sound_without_samples_holds_no_speech(self, wav, trim):
        activity = speech_activity(Sound(wav([])), trim)
        assert (activity.segments.shape, activity.duration) == ((0, 2), 0.0)

    def test_none_keeps_everything(self, wav):
        activity = speech_activity(Sound(wav(np.zeros(RATE + 33))), "none")
        np.testing.assert_allclose(activity.segments, [[0.0, 1 + 33 / RATE]])
        assert activity.duration == 1 + 33 / RATE


class TestLeadingSilence:
    @pytest.mark.parametrize("trim", ["default", "paper", "none"])
    @pytest.mark.parametrize("first", [0, 640, 12_345])
    def test_ends_at_the_first_sample_above_the_threshold(self, wav, trim, first):
        sound = np.full(2 * RATE, 0.0004, np.float32)
        sound[first] = -0.001
        assert speech_activity(Sound(wav(sound)), trim).leading_silence == first / RATE

    def test_is_the_whole_duration_where_no_sample_is_above_it(self, wav):
        assert speech_activity(Sound(wav(np.full(RATE, 0.0004)))).leading_silence == 1.0

    def test_is_unknown_without_samples(self, wav):
        assert np.isnan(speech_activity(Sound(wav([]))).leading_silence)


def test_activity_does_not_depend_on_whether_the_sound_is_kept(wav):
    path = wav(np.concatenate([noise(1.5, ROOM), VOICE, noise(1, ROOM)]))
    kept, decoded_again = (speech_activity(Sound(path, max_kept_seconds=limit)) for limit in (600, 0.1))
    np.testing.assert_array_equal(kept.segments, decoded_again.segments)
    assert (kept.duration, kept.leading_silence) == (decoded_again.duration, decoded_again.leading_silence)


class TestOnFrames:
    ACTIVITY = SpeechActivity(np.array([[0.1, 0.3], [0.5, 1.0]]), 2.0)

    def test_each_frame_has_the_share_of_its_40_ms(self):
        share = self.ACTIVITY.on_frames(0.0, 10)
        np.testing.assert_allclose(share, [0, 0, 0.5, 1, 1, 1, 1, 0.5, 0, 0], atol=1e-6)
        assert share.dtype == np.float32

    @pytest.mark.parametrize("start", [-0.5, 0.0, 0.013])
    def test_the_shares_add_up_to_all_speech(self, start):
        assert self.ACTIVITY.on_frames(start, 70).sum() / FPS == pytest.approx(0.7, abs=1e-5)

    def test_shares_are_0_without_speech(self):
        assert not SpeechActivity(np.zeros((0, 2)), 2.0).on_frames(0.0, 5).any()


class TestLogMel:
    @pytest.mark.parametrize(("samples", "rows"), [(0, 0), (159, 0), (160, 1), (RATE, 100), (RATE + 100, 100)])
    def test_a_hundred_rows_of_40_bands_a_second(self, samples, rows):
        mel = log_mel(np.zeros(samples, np.float32))
        assert (mel.shape, mel.dtype) == ((rows, 40), np.float32)
        assert np.isfinite(mel).all()

    def test_gain_adds_a_constant(self):
        sound = noise(1.0, 0.05)
        np.testing.assert_allclose(log_mel(4 * sound) - log_mel(sound), 2 * np.log(4), atol=0.01)

    @pytest.mark.parametrize("hertz", [120, 440, 1000, 3000, 7000])
    def test_a_tone_is_loudest_in_its_band(self, hertz):
        def to_mel(f):
            return 2595 * np.log10(1 + f / 700)

        centres = np.linspace(to_mel(60), to_mel(7600), 42)[1:-1]
        band = log_mel(tone(hertz)).mean(axis=0).argmax()
        assert abs(band - np.abs(centres - to_mel(hertz)).argmin()) <= 1

    @pytest.mark.parametrize("row", [0, 7, 50, 99])
    def test_a_click_is_loudest_in_its_row(self, row):
        sound = np.zeros(RATE, np.float32)
        sound[160 * row + 80] = 0.9
        energy = np.exp(log_mel(sound)).sum(axis=1)
        assert energy.argmax() == row
        reach = energy > energy.min() + 1e-9
        assert reach.sum() <= 3
