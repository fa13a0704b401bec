"""Fit logistic regression on features of real and of reconstructed, or labelled, speech."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from avsync.clip import SAMPLES, SoundClip
from avsync.voice.linear.config import LinearConfig
from avsync.voice.linear.model import LinearModel

_C = 1e6  # hardly any regularisation (Pascu et al., Interspeech 2024, section 3)
_BATCH = 16


def pooled(model: LinearModel, speech: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The mean over time of the features of each piece, float64 [n, D], of float32 [N] at 16 kHz."""
    rows = []
    for start in range(0, len(speech), _BATCH):
        encoded = model.encode([_clip(samples) for samples in speech[start : start + _BATCH]])
        rows += [features.double().mean(dim=0).numpy() for features in encoded]
    return np.stack(rows)


def fit(config: LinearConfig, features: NDArray[np.float64], fake: NDArray[np.bool_]) -> LinearModel:
    """Fit a model.

    Args:
        config: of the model, complete.
        features: float64 [n, D], pooled.
        fake: bool [n], which are reconstructed or synthetic.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    regression = LogisticRegression(C=_C, max_iter=2000).fit((features - middle) / spread, fake)
    weight = regression.coef_[0] / spread
    model = LinearModel(config)
    model.weight.copy_(torch.from_numpy(weight))
    model.bias.copy_(torch.tensor(float(regression.intercept_[0] - weight @ middle)))
    return model


def validated(model: LinearModel, features: NDArray[np.float64], fake: NDArray[np.bool_]) -> Mapping[str, float]:
    """How well a model tells features of unseen speakers apart: `auc`."""
    odds = features @ model.weight.double().numpy()
    return {"auc": float(roc_auc_score(fake, odds))}


def _clip(speech: NDArray[np.float32]) -> SoundClip:
    frames = len(speech) // SAMPLES
    return SoundClip(0.0, speech[: frames * SAMPLES], np.ones(frames, np.float32))
