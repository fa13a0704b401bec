"""Frozen features of self-supervised speech models: HuBERT, WavLM, wav2vec 2.0 and XLS-R, through transformers."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from avsync.clip import SAMPLES, FaceClip
from avsync.encoders.ssl_files import HOP, WIDTH, read_ssl
from avsync.speech.share import speech_weights

# Part of the key: raise it whenever the same weights give other features.
_VERSION = 1
# Half of what a frame hears beyond its hop: with so many samples more on both sides, 2T frames come out of 640 T
# samples, and each is centred on its 20 ms.
_MARGIN = (WIDTH - HOP) // 2
# Frames at 25 Hz; a cut is at least 2 s from the ends of the chunks on both its sides. 20 s bound the memory, and are
# what the models learned on (wav2vec 2.0: crops of 15.6 or 20 s; Baevski et al., 2020, section 4.2).
CHUNK, OVERLAP = 500, 100
# Chunks to a batch: a CPU has enough to do with one.
_TOGETHER = {"cpu": 1, "cuda": 16}
_EPS = 1e-7  # of the variance, as the models were trained


class SpeechSSL:
    """A model cut off above the layer that is read.

    Features are means of two frames of 20 ms, centred together on the 40 ms of a picture.

    Gain and offset are set by the clip's speech, as are the statistics of models with a group norm over time, so added
    silence moves neither. What the models learned from was mostly speech. (Random weights of the base size: a gain 8 %
    off, which 15 % of silence makes, moves features by a cosine distance of 0.0003; one of 41 %, which silence as long
    as the speech would make, by 0.006.)

    Clips above 20 s are read in chunks that overlap by 4 s or more, each frame from the chunk that sees more around it.
    50 s of speech against one piece, random weights of the base size read at layer 9, which look everywhere alike:
    cosine distances of 0.0003, at most 0.0008; a cosine lattice, which spreads by 0.25, moves by 0.002, at most 0.008,
    and peaks where it did. Random weights that pick out few frames anywhere in the clip (queries and keys times 8), the
    worst that can be made up, are off by 0.26; that lattice, too, peaks where it did.

    Args:
        model: a `HubertModel`, `WavLMModel` or `Wav2Vec2Model` whose last hidden state is wanted, on its device.
        normalize: whether it was trained on sound of zero mean and unit variance.
        key: identity of the features.
        together: chunks to a batch.

    Attributes:
        dim: D, features per frame.
        key: changes whenever the features of a clip may.
    """

    def __init__(self, model: nn.Module, *, normalize: bool, key: str, together: int) -> None:
        config: Any = model.config
        self.dim, self.key = int(config.hidden_size), key
        self._model, self._normalize = model.eval().requires_grad_(False), normalize
        # A batch norm before the positional convolution turns padding into something else than zeros.
        self._together = 1 if getattr(config, "conv_pos_batch_norm", False) else together
        first: Any = model.get_submodule("feature_extractor.conv_layers.0")
        self._convolution: nn.Conv1d = first.conv
        self._norm = _ClipNorm(first.layer_norm) if config.feat_extract_norm == "group" else None
        if self._norm is not None:
            first.layer_norm = self._norm

    @torch.inference_mode()
    def speech(self, clips: Sequence[FaceClip]) -> list[Tensor]:
        """Of each clip of T frames, float32 [T, D] on the CPU."""
        pieces = [piece for clip in clips for piece in self._pieces(clip)]
        by_length = sorted(range(len(pieces)), key=lambda index: len(pieces[index].waveform))
        features: dict[int, Tensor] = {}
        for start in range(0, len(pieces), self._together):
            batch = by_length[start : start + self._together]
            features |= zip(batch, self._features([pieces[index] for index in batch]), strict=True)
        in_order = (features[index] for index in range(len(pieces)))
        return [torch.cat([next(in_order) for _ in _chunks(len(clip))]) for clip in clips]

    def _pieces(self, clip: FaceClip) -> Iterator["_Piece"]:
        waveform, share = torch.from_numpy(clip.waveform), torch.from_numpy(clip.speech)
        if self._normalize:
            waveform = _normalised(waveform, share)
        waveform = nn.functional.pad(waveform, (_MARGIN, _MARGIN))
        affine = self._norm.measure(self._convolution, waveform, share) if self._norm is not None else None
        for first, last, keep in _chunks(len(clip)):
            yield _Piece(waveform[first * SAMPLES : last * SAMPLES + 2 * _MARGIN], keep, affine)

    def _features(self, pieces: Sequence["_Piece"]) -> list[Tensor]:
        device = next(self._model.parameters()).device
        waveforms = pad_sequence([piece.waveform for piece in pieces], batch_first=True).to(device)
        lengths = torch.tensor([len(piece.waveform) for piece in pieces], device=device)
        heard = (torch.arange(waveforms.shape[1], device=device) < lengths[:, None]).long()
        if self._norm is not None:
            self._norm.affine = torch.stack([piece.affine for piece in pieces if piece.affine is not None]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # how WavLM calls torch
            hidden = self._model(waveforms, attention_mask=None if heard.all() else heard).last_hidden_state
        frames = hidden.float().unflatten(1, (-1, 2)).mean(dim=2).cpu()
        return [of_piece[piece.keep] for of_piece, piece in zip(frames, pieces, strict=True)]


class _Piece(NamedTuple):
    """Sound of n frames with its margins, [640 n + 80], which of its frames count, and what `_ClipNorm` does to it."""

    waveform: Tensor
    keep: slice
    affine: Tensor | None


class _ClipNorm(nn.Module):
    """In place of a group norm over time: for any piece of a clip, with statistics of all of the clip's speech.

    Without it padding would change a clip's features, and chunks of 10 s of 20 would differ from one piece by cosine
    distances of up to 0.05 instead of 0.003 (random weights of the base size).
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self._norm = norm
        self.affine = torch.zeros(0)  # [B, 2, C]: scale and shift

    def measure(self, convolution: nn.Conv1d, waveform: Tensor, share: Tensor) -> Tensor:
        """Scale and shift, [2, C], of the channels of the convolution before it.

        The convolution is linear, so mean and variance of its channels follow from those of the windows it sees.

        Args:
            convolution: of one channel of sound.
            waveform: float32 [640 T + 80].
            share: float32 [T], the share of speech in each frame.
        """
        windows = waveform.unfold(0, convolution.kernel_size[0], convolution.stride[0]).double()
        centres = torch.arange(len(windows)) * convolution.stride[0] + convolution.kernel_size[0] // 2 - _MARGIN
        weights = speech_weights(share[(centres // SAMPLES).clamp(0, len(share) - 1)][None])[0].double()
        mean = weights @ windows
        covariance = (windows * weights[:, None]).T @ windows - mean.outer(mean)
        kernels = convolution.weight[:, 0].double().cpu()
        offset = kernels @ mean
        if convolution.bias is not None:
            offset = offset + convolution.bias.double().cpu()
        deviation = ((kernels @ covariance * kernels).sum(dim=1).clamp(min=0) + self._norm.eps).sqrt()
        scale = self._norm.weight.double().cpu() / deviation
        return torch.stack([scale, self._norm.bias.double().cpu() - offset * scale]).float()

    def forward(self, channels: Tensor) -> Tensor:
        return channels * self.affine[:, 0, :, None] + self.affine[:, 1, :, None]


def load_speech_ssl(source: str, layer: int | None, device: torch.device) -> SpeechSSL:
    """Load a model from the disk; nothing is fetched, and no code of its folder is run.

    Args:
        source: a folder in the format of the Hugging Face hub, or the hub id of a model that is on this machine.
        layer: the transformer layer whose output is read, from 1, before any norm that follows the last one. None: the
            last hidden state.
        device: what to run on; on CUDA in bfloat16.

    Raises:
        UsageError: transformers is missing; no such folder; a model of another kind or without such a layer; a
            damaged file.
    """
    files = read_ssl(source, layer)
    key = f"ssl-{files.kind}-{files.identity}-{layer or 'last'}-{_VERSION}"
    together = _TOGETHER.get(device.type, 1)
    return SpeechSSL(files.model.to(device), normalize=files.normalize, key=key, together=together)


def _normalised(waveform: Tensor, share: Tensor) -> Tensor:
    """Zero mean and unit variance over speech: waveform [640 T], share of speech [T]."""
    weights = speech_weights(share[None])[0].repeat_interleave(SAMPLES) / SAMPLES
    centred = waveform - waveform @ weights
    return centred / (centred.square() @ weights + _EPS).sqrt()


def _chunks(frames: int) -> list[tuple[int, int, slice]]:
    """Of each chunk: first frame, last frame (exclusive), and which of its own frames count."""
    if frames <= CHUNK:
        return [(0, frames, slice(0, frames))]
    count = ceil((frames - OVERLAP) / (CHUNK - OVERLAP))
    starts = [index * (frames - CHUNK) // (count - 1) for index in range(count)]
    cuts = [0, *((before + CHUNK + after) // 2 for before, after in pairwise(starts)), frames]
    return [(at, at + CHUNK, slice(cuts[i] - at, cuts[i + 1] - at)) for i, at in enumerate(starts)]
