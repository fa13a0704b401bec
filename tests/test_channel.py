"""Microphones, rooms, noise and codecs: what real and reconstructed speech both go through."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import voice

from avsync.media import RATE
from avsync.reconstruct import channel
from avsync.reconstruct.channel import Chances, Channel

NEVER = Chances(equaliser=0, room=0, noise=0, cut=0, bend=0, codec=0)
SPEECH = voice(seconds=2.0)


def only(**chance):
    return replace(NEVER, **chance)


def power(waveform, low, high):
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies = np.fft.rfftfreq(len(waveform), 1 / RATE)
    return spectrum[(frequencies >= low) & (frequencies < high)].sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_draw_keeps_the_length_and_stays_within_full_scale(seed):
    heard = Channel(np.random.default_rng(seed), Chances())(SPEECH)
    assert heard.shape == SPEECH.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1
    assert heard.std() > 0.001


def test_one_draw_does_the_same_to_everything_that_goes_through_it():
    drawn = Channel(np.random.default_rng(3), Chances())
    assert np.array_equal(drawn(SPEECH), drawn(SPEECH))


def test_the_same_seed_draws_the_same_chain():
    one, two = (Channel(np.random.default_rng(5), Chances())(SPEECH) for _ in range(2))
    assert np.array_equal(one, two)


def test_different_seeds_draw_different_chains():
    one, two = (Channel(np.random.default_rng(seed), Chances())(SPEECH) for seed in (5, 6))
    assert not np.allclose(one, two, atol=1e-3)


def test_two_sounds_meet_the_same_noise():
    """Real speech and its reconstruction must not be told apart by the noise that was added."""
    drawn = Channel(np.random.default_rng(1), only(noise=1))
    other = SPEECH[::-1].copy()  # as loud
    assert np.allclose(drawn(SPEECH) - _levelled(SPEECH, drawn), drawn(other) - _levelled(other, drawn), atol=2e-3)


def _levelled(waveform, drawn):
    """The speech in what the chain gives: what is left when the noise is averaged out by a least-squares gain."""
    heard = drawn(waveform)
    return waveform * float(heard @ waveform / (waveform @ waveform))


def test_a_channel_that_ends_early_has_little_beyond_its_end(monkeypatch):
    monkeypatch.setattr(channel, "_CUT", (3400.0, 3400.0))
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    heard = Channel(np.random.default_rng(0), only(cut=1))(noise)
    assert power(heard, 4500, 8000) < 0.01 * power(heard, 500, 3000)


@pytest.mark.parametrize("codec", channel._CODECS, ids=[codec[1] for codec in channel._CODECS])
def test_every_codec_gives_back_the_speech_in_time(codec):
    container, name, rates, bits = codec
    for rate, bit_rate in ((rates[0], bits[0]), (rates[-1], bits[-1])):
        heard = channel._decoded(channel._encoded(SPEECH, container, name, rate, bit_rate), len(SPEECH))
        assert heard.shape == SPEECH.shape
        shifted = np.correlate(_envelope(heard), _envelope(SPEECH), "full")
        late = shifted.argmax() - (len(shifted) // 2)
        assert 0 <= late <= 8  # of 10 ms
        assert 0.5 < heard.std() / SPEECH.std() < 1.5


def _envelope(waveform):
    loud = np.abs(waveform[: len(waveform) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    return loud - loud.mean()


def test_silence_goes_through():
    silent = np.zeros(RATE, np.float32)
    heard = Channel(np.random.default_rng(2), Chances(codec=1))(silent)
    assert np.isfinite(heard).all()
