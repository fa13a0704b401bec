"""Reconstructed speech says the same in the same voice, time and loudness; only the synthesis differs."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_toeplitz
from scipy.signal import butter, correlate, fftconvolve, sosfiltfilt
from talking import voice

from avsync.errors import UsageError
from avsync.media import RATE
from avsync.reconstruct.speech import RECONSTRUCTIONS, frame, load_reconstruction, reconstruct
from avsync.reconstruct.speech.excitation import dispersed, pulse_train
from avsync.reconstruct.speech.frame import equalised, framed
from avsync.reconstruct.speech.lpc import levinson_durbin
from avsync.reconstruct.speech.pitch import Pitch, at_bins, find_pitch
from avsync.reconstruct.speech.spectral import mel_filters
from avsync.reconstruct.speech.stft import STFT, hann, overlap_add
from avsync.speech import log_mel

try:
    import pyworld
except ModuleNotFoundError:
    pyworld = None

NEEDS_PYWORLD = pytest.mark.skipif(pyworld is None, reason="pyworld is not installed: pip install 'avsync[voice]'")
EVERY = [
    pytest.param(name, marks=NEEDS_PYWORLD if kind.family == "world" else ()) for name, kind in RECONSTRUCTIONS.items()
]
SEEDS = range(3)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def speech():
    """Three seconds of a voice with breath and room: full band, as a microphone hears it."""
    noise = rng().standard_normal(3 * RATE) * 0.002
    return (voice() + noise).astype(np.float32)


@pytest.fixture(scope="module")
def rebuilt(speech):
    """The same speech by every kind with several seeds, made once."""
    kept = {}

    def get(name, seed=0):
        if (name, seed) not in kept:
            kept[name, seed] = reconstruct(speech, name, rng(seed))
        return kept[name, seed]

    return get


def level(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def decibels(power):
    return 10 * np.log10(power)


def envelope(samples):
    """Loudness over 20 ms around each sample, without its mean."""
    found = np.sqrt(np.maximum(fftconvolve(samples.astype(float) ** 2, hann(320), mode="same"), 0))
    return found - found.mean()


def lag(rebuilt, original, most=400):
    """How many samples later a sound is than another."""
    around = correlate(rebuilt, original, method="fft")[len(original) - 1 - most : len(original) + most]
    return int(around.argmax()) - most


def band(samples, low, high):
    """Mean power between two frequencies (Hz)."""
    power = np.abs(STFT(1024, 512).forward(samples)) ** 2
    return float(power[:, round(low * 1024 / RATE) : round(high * 1024 / RATE)].mean())


def mel_distance(one, other):
    """Mean difference (dB) of the log mel spectra where `other` is loud."""
    mine, theirs = log_mel(one), log_mel(other)
    loud = theirs.mean(axis=1) > np.median(theirs.mean(axis=1))
    return float(np.abs(mine - theirs)[loud].mean() * 10 / np.log(10))


class TestEveryKind:
    @pytest.mark.parametrize("name", EVERY)
    @pytest.mark.parametrize("length", [1, 7, 400, 16_001, 20_000])
    def test_keeps_length_level_and_mean(self, name, length, speech):
        original = speech[8000 : 8000 + length] * 0.5 + np.float32(0.01)
        found = reconstruct(original, name, rng(length))
        assert (found.shape, found.dtype) == ((length,), np.float32)
        assert np.isfinite(found).all()
        assert found.mean() == pytest.approx(original.mean(), abs=1e-5)
        assert level(found) == pytest.approx(level(original), rel=1e-4)

    @pytest.mark.parametrize("name", EVERY)
    def test_leaves_alone_what_does_not_change(self, name):
        for still in (np.zeros(5000, np.float32), np.full(5000, 0.3, np.float32), np.zeros(0, np.float32)):
            np.testing.assert_array_equal(reconstruct(still, name, rng()), still)

    @pytest.mark.parametrize("name", EVERY)
    def test_rebuilds_noise_clicks_and_a_square_wave(self, name):
        noise = rng().standard_normal(8000).astype(np.float32) * 0.1
        clicks = (np.arange(8000) % 1000 == 0).astype(np.float32)
        square = np.sign(np.sin(np.arange(8000) * 0.05)).astype(np.float32)
        for original in (noise, clicks, square):
            found = reconstruct(original, name, rng())
            assert np.isfinite(found).all()
            assert np.abs(found).max() <= max(1, np.abs(original).max()) + 1e-6

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("name", EVERY)
    def test_says_the_same_at_the_same_time(self, name, seed, speech, rebuilt):
        assert abs(lag(envelope(rebuilt(name, seed)), envelope(speech))) <= 80  # 5 ms, less than a period

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("name", EVERY)
    def test_sounds_like_the_speech_and_is_not_it(self, name, seed, speech, rebuilt):
        found = rebuilt(name, seed)
        # Another utterance of this voice is 15 dB away.
        assert 0.1 < mel_distance(found, speech) < 5
        assert np.abs(found - speech).max() > 0.1 * np.abs(speech).max()

    def test_another_utterance_is_farther_away_than_any_reconstruction(self, speech):
        assert mel_distance(voice(take=1), speech) > 8

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("name", EVERY)
    def test_makes_no_clicks(self, name, seed, speech, rebuilt):
        steps = [np.abs(np.diff(samples, 2)).max() for samples in (rebuilt(name, seed), speech)]
        assert steps[0] < 2.5 * steps[1]

    @pytest.mark.parametrize("name", EVERY)
    def test_keeps_every_band_up_to_8_khz(self, name, speech, rebuilt):
        for low in range(100, 8000, 790):
            heard, expected = (band(samples, low, low + 790) for samples in (rebuilt(name), speech))
            assert decibels(heard / expected) == pytest.approx(0, abs=2), low

    @pytest.mark.parametrize("name", EVERY)
    def test_fills_no_band_that_was_empty(self, name, speech):
        narrow = sosfiltfilt(butter(10, 3400, fs=RATE, output="sos"), speech).astype(np.float32)
        found = reconstruct(narrow, name, rng())
        assert decibels(band(found, 4500, 8000) / band(found, 100, 3400)) < -50

    @pytest.mark.parametrize("name", EVERY)
    def test_is_drawn_by_the_generator_alone(self, name, speech, rebuilt):
        np.testing.assert_array_equal(reconstruct(speech, name, rng()), rebuilt(name))
        assert np.abs(rebuilt(name, 1) - rebuilt(name)).max() > 0.01

    @pytest.mark.parametrize("name", EVERY)
    def test_is_made_quieter_where_it_would_be_clipped(self, name, speech):
        loud = speech / np.abs(speech).max()
        found = reconstruct(loud, name, rng())
        assert np.abs(found).max() <= 1 + 1e-6
        assert level(found) <= level(loud) * (1 + 1e-4)

    @pytest.mark.parametrize("name", [pytest.param("world", marks=NEEDS_PYWORLD), "lpc", "harmonic_noise"])
    def test_pulses_point_up_in_some_and_down_in_others(self, name, speech):
        """Pulses that always point up would tell it from speech, whose waves a microphone may turn upside down."""
        skew = [np.mean(reconstruct(speech[:RATE], name, rng(seed)) ** 3) for seed in range(8)]
        assert min(skew) < 0 < max(skew)

    @pytest.mark.parametrize("name", ["griffin_lim", "lpc_residual", "sinusoidal"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_tone_keeps_its_frequency(self, name, seed):
        tone = np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE)).astype(np.float32) * 0.1
        spectrum = np.abs(np.fft.rfft(reconstruct(tone, name, rng(seed)) * hann(RATE)))
        assert abs(int(spectrum.argmax()) - 1000) <= 2

    def test_of_the_residual_keeps_the_phases(self, speech, rebuilt):
        assert lag(rebuilt("lpc_residual"), speech) == 0


class TestNames:
    def test_an_unknown_one_is_refused_with_those_there_are(self):
        for name in ("vocoder", "hub", "hub:", "griffin_lim:x"):
            with pytest.raises(UsageError, match=rf"'{name}': not a reconstruction; choose from griffin_lim, .*hub:SO"):
                load_reconstruction(name)

    def test_without_pyworld_world_is_refused_with_the_extra(self, monkeypatch, speech):
        monkeypatch.setitem(sys.modules, "pyworld", None)
        with pytest.raises(UsageError, match=r"pyworld: pip install 'avsync\[voice\]'"):
            reconstruct(speech, "world", rng())

    def test_the_registry_imports_nothing_heavy(self):
        heavy = "{'torch', 'scipy', 'transformers', 'pyworld'}"
        code = f"import sys, avsync.reconstruct.speech; sys.exit(str({heavy} & set(sys.modules) or ''))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stderr.strip() == ""


class TestFrame:
    @settings(deadline=None, max_examples=30)
    @given(length=st.integers(2, 5000), piece=st.integers(400, 2000), seed=st.integers(0, 9))
    def test_pieces_of_long_sound_join_without_a_trace(self, length, piece, seed):
        """A method that changes nothing gives back what it got, wherever pieces end."""
        original = rng(seed).standard_normal(length).astype(np.float32) * 0.1 + np.float32(0.02)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(frame, "_PIECE", piece)
            found = framed(lambda waveform, _: waveform)(original, rng(seed))
        np.testing.assert_allclose(found, original, atol=1e-5)

    def test_a_method_sees_at_least_4096_samples_at_a_usual_level(self):
        seen = []
        framed(lambda waveform, _: seen.append(waveform) or waveform)(np.array([0.5, -0.5], np.float32), rng())
        assert len(seen[0]) >= 4096
        assert level(seen[0]) == pytest.approx(0.1, rel=0.1)

    def test_frames_do_not_begin_at_the_same_place(self, speech):
        lengths = set()
        for seed in range(8):
            framed(lambda waveform, _: lengths.add(len(waveform)) or waveform)(speech, rng(seed))
        assert len(lengths) > 4

    def test_the_long_term_spectrum_becomes_that_of_the_original(self, speech):
        tilted = fftconvolve(speech, [0.2, 1, 0.2], mode="same").astype(np.float32)
        found = equalised(tilted, speech)
        assert lag(found, speech) == 0
        for low in range(200, 7500, 700):
            assert decibels(band(found, low, low + 700) / band(speech, low, low + 700)) == pytest.approx(0, abs=1)


class TestSTFT:
    @settings(deadline=None, max_examples=30)
    @given(length=st.integers(1, 5000), shape=st.sampled_from([(400, 100), (400, 80), (512, 64), (1024, 512)]))
    def test_the_inverse_of_a_transform_is_the_sound(self, length, shape):
        original = rng(length).standard_normal(length).astype(np.float32)
        transform = STFT(*shape)
        np.testing.assert_allclose(transform.inverse(transform.forward(original), length), original, atol=1e-4)

    def test_pieces_are_added_where_they_belong(self):
        np.testing.assert_array_equal(overlap_add(np.ones((3, 4)), 2), [1, 1, 2, 2, 2, 2, 1, 1])
        np.testing.assert_array_equal(overlap_add(np.ones((2, 3)), 2), [1, 1, 2, 1, 1])


class TestMelFilters:
    @pytest.mark.parametrize("size", [400, 2048])
    @pytest.mark.parametrize("bands", [40, 128])
    @pytest.mark.parametrize("scale", ["htk", "slaney"])
    def test_cover_every_frequency_and_leave_no_band_empty(self, size, bands, scale):
        filters = mel_filters(size, bands, scale)
        assert filters.shape == (size // 2 + 1, bands)
        assert (filters[1:-1].sum(axis=1) > 0).all()
        assert (filters.sum(axis=0) > 0).all()
        peaks = filters.argmax(axis=0)
        assert (np.diff(peaks) >= 0).all()

    def test_of_slaney_are_linear_up_to_1_khz(self):
        peaks = mel_filters(2048, 40, "slaney").argmax(axis=0) * RATE / 2048
        low = np.diff(peaks[peaks < 950])
        assert np.ptp(low) <= 2 * RATE / 2048


class TestLinearPrediction:
    def test_agrees_with_the_solution_of_the_normal_equations(self):
        sounds = rng().standard_normal((5, 400))
        correlation = np.array([correlate(sound, sound)[399:420] for sound in sounds])
        filters, error = levinson_durbin(correlation)
        for row, taps, rest in zip(correlation, filters, error, strict=True):
            np.testing.assert_allclose(taps[1:], -solve_toeplitz(row[:-1], row[1:]), atol=1e-9)
            assert rest == pytest.approx(taps @ row)
            assert (np.abs(np.roots(taps)) < 1).all()


class TestExcitation:
    def test_pulses_have_the_period_and_the_power_that_are_asked_for(self):
        pitch = Pitch(np.full(201, 130.0), np.ones((201, 8)))
        pulses = pulse_train(pitch, 80, RATE)
        spectrum = np.abs(np.fft.rfft(pulses))
        strongest = spectrum[:5000].argsort()[-20:]
        np.testing.assert_allclose(strongest, np.rint(strongest / 130) * 130, atol=1)
        assert level(pulses) == pytest.approx(1, rel=0.1)

    def test_without_a_voice_there_are_no_pulses(self):
        assert not pulse_train(Pitch(np.zeros(11), np.zeros((11, 8))), 80, 800).any()

    def test_dispersion_spreads_pulses_and_keeps_their_spectrum(self):
        pulses = np.zeros(RATE)
        pulses[4000::4000] = 1
        for seed in SEEDS:
            spread = dispersed(pulses, rng(seed))
            assert np.abs(spread).max() < 0.7
            for pulse in (4000, 8000):
                around = spread[pulse - 256 : pulse + 256]
                assert (around**2).sum() == pytest.approx(1, abs=0.02)
                assert (around[256 - 48 : 256 + 48] ** 2).sum() > 0.9  # within 3 ms
            np.testing.assert_allclose(np.abs(np.fft.rfft(spread[4000 - 256 : 4000 + 256]))[:-1], 1, atol=0.1)


class TestPitch:
    @pytest.mark.parametrize("f0", [80.0, 133.3, 220.0, 410.0])
    def test_of_pulses_is_found_within_half_a_percent(self, f0):
        pulses = pulse_train(Pitch(np.full(201, f0), np.ones((201, 8))), 80, RATE).astype(np.float32)
        found = find_pitch(pulses, 160)
        inside = slice(10, -10)
        np.testing.assert_allclose(found.f0[inside], f0, rtol=5e-3)
        assert found.voicing[inside].mean() > 0.9

    def test_of_noise_and_silence_is_zero(self):
        noise = rng().standard_normal(RATE).astype(np.float32)
        assert (find_pitch(noise, 160).f0 > 0).mean() < 0.05
        assert not find_pitch(np.zeros(RATE, np.float32), 160).f0.any()

    def test_a_band_of_noise_over_a_voice_is_not_voiced(self):
        pulses = pulse_train(Pitch(np.full(201, 120.0), np.ones((201, 8))), 80, RATE)
        low = sosfiltfilt(butter(6, 4000, fs=RATE, output="sos"), pulses)
        high = sosfiltfilt(butter(6, 4000, "high", fs=RATE, output="sos"), rng().standard_normal(RATE))
        voicing = find_pitch((low + high).astype(np.float32), 160).voicing[10:-10].mean(axis=0)
        assert (voicing[:3] > 0.9).all()
        assert (voicing[5:] < 0.4).all()

    def test_voicing_at_bins_runs_through_the_middles_of_bands(self):
        bands = np.linspace(0, 0.7, 8)[None]
        at = at_bins(bands, 17)[0]  # every 500 Hz
        np.testing.assert_allclose(at[[1, 3, 5, 15]], bands[0, [0, 1, 2, 7]])
        assert (np.diff(at) >= -1e-12).all()
