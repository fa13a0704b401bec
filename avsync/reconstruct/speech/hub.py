"""Codecs and vocoders that others trained, through transformers: EnCodec, DAC, Mimi and SpeechT5's HiFi-GAN.

A model is a folder in the hub's format. `avsync weights list` names some, with their licences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor

from avsync.errors import UsageError
from avsync.media import RATE
from avsync.reconstruct.speech.interface import Rebuild
from avsync.weights import ssl_folder
from avsync.weights.hub_model import blamed_on, read_config, read_json, read_model

_RATES = (8000, 96_000)  # Hz, of published models


@dataclass(frozen=True)
class _Kind:
    """Classes of transformers, and how a model rebuilds float32 [1, 1, n] at its rate."""

    model: str
    config: str
    run: Callable[[Any, Tensor, np.random.Generator], Tensor]


def load_hub(source: str, device: str) -> Rebuild:
    """Load a model; the function it returns is as `Reconstruction.function` says.

    The rng draws the bit rate, or how many of the quantisers are used: from a quarter to all of them.

    Args:
        source: a folder, or the id of a model in the folder of weights or in the cache of huggingface_hub.
        device: where it runs, as torch names it.

    Raises:
        UsageError: the model is not on this machine, damaged or of another kind, or transformers is not installed.
    """
    folder = ssl_folder(source)
    named = read_json(source, folder / "config.json").get("model_type")
    if named not in _KINDS:
        raise UsageError(f"{source}: a model of type {named!r}; name one of these types: {', '.join(_KINDS)}")
    kind = _KINDS[named]
    with blamed_on(source):
        config = read_config(folder, kind.config)
        if not _RATES[0] <= config.sampling_rate <= _RATES[1]:
            raise ValueError(f"sound at {config.sampling_rate} Hz")
        model = read_model(folder, config, kind.model).to(device)
    if kind is _HIFIGAN and (config.sampling_rate, config.model_in_dim) != (RATE, _MEL_BANDS):
        raise UsageError(f"{source}: not a vocoder of SpeechT5's mel spectrogram; name another model")

    def rebuild(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        heard = _resampled(waveform, RATE, config.sampling_rate)
        with torch.inference_mode():
            said = kind.run(model, torch.from_numpy(heard).to(device)[None, None], rng)
        mono = said.reshape(-1, said.shape[-1]).mean(dim=0).float().cpu().numpy()
        back = _resampled(mono, config.sampling_rate, RATE)[: len(waveform)]
        return np.pad(back, (0, len(waveform) - len(back)))

    return rebuild


def _encodec(model: Any, heard: Tensor, rng: np.random.Generator) -> Tensor:
    """EnCodec (Défossez et al. 2022); the model of 48 kHz hears two channels."""
    channels = heard.expand(1, model.config.audio_channels, -1)
    found: Tensor = model(channels, bandwidth=float(rng.choice(model.config.target_bandwidths))).audio_values
    return found


def _dac(model: Any, heard: Tensor, rng: np.random.Generator) -> Tensor:
    """The Descript audio codec (Kumar et al. 2023)."""
    found: Tensor = model(heard, n_quantizers=_some(rng, 1, model.config.n_codebooks)).audio_values
    return found


def _mimi(model: Any, heard: Tensor, rng: np.random.Generator) -> Tensor:
    """Mimi, the codec of Moshi (Défossez et al. 2024); the first quantisers code what is said, the others how."""
    config = model.config
    count = _some(rng, config.num_semantic_quantizers + 1, config.num_quantizers)
    found: Tensor = model(heard, num_quantizers=count).audio_values
    return found


def _hifigan(model: Any, heard: Tensor, _rng: np.random.Generator) -> Tensor:
    """HiFi-GAN (Kong et al. 2020), trained for SpeechT5's log mel spectrogram."""
    from transformers import SpeechT5FeatureExtractor

    extract = SpeechT5FeatureExtractor(num_mel_bins=_MEL_BANDS)
    mel = extract(audio_target=heard[0, 0].cpu().numpy(), sampling_rate=RATE, return_tensors="pt").input_values
    found: Tensor = model(mel.to(heard.device))
    return found


_MEL_BANDS = 80
_HIFIGAN = _Kind("SpeechT5HifiGan", "SpeechT5HifiGanConfig", _hifigan)
_KINDS = {
    "encodec": _Kind("EncodecModel", "EncodecConfig", _encodec),
    "dac": _Kind("DacModel", "DacConfig", _dac),
    "mimi": _Kind("MimiModel", "MimiConfig", _mimi),
    "hifigan": _HIFIGAN,  # as in the published file
    "speecht5_hifigan": _HIFIGAN,  # as transformers writes it now
}


def _some(rng: np.random.Generator, least: int, most: int) -> int:
    return int(rng.integers(min(most, max(least, ceil(most / 4))), most + 1))


def _resampled(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    return np.asarray(samples if rate == wanted else resample_poly(samples, wanted, rate), np.float32)
