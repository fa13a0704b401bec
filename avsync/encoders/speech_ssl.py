"""Frozen features of self-supervised speech models: HuBERT, WavLM, wav2vec 2.0 and XLS-R, through transformers."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from avsync.clip import SAMPLES
from avsync.encoders.interface import Heard
from avsync.encoders.ssl_files import HOP, WIDTH, read_ssl
from avsync.speech.share import speech_weights

# Part of the key. Raise it when the features of the same weights change.
_VERSION = 1
# Half the overlap of two 20 ms frames. Padded by this many samples on both sides, 640 T samples give exactly 2T frames,
# each centred on its 20 ms.
_MARGIN = (WIDTH - HOP) // 2
# Frames at 25 Hz: chunks of 20 s, so that a cut is at least 2 s from the ends of both chunks. 20 s bound the memory and
# are the length the models were trained on (wav2vec 2.0: crops of 15.6 or 20 s; Baevski et al., 2020, section 4.2).
CHUNK, OVERLAP = 500, 100
# Chunks per batch: one is enough to keep a CPU busy.
_BATCH = {"cpu": 1, "cuda": 16}
_EPS = 1e-7  # added to the variance, as in the models' training


class SpeechSSL:
    """A speech model without the layers above the one that is read.

    A feature is the mean of two frames of 20 ms; together they are centred on the 40 ms of a picture.

    Gain and offset, and the statistics of a group norm over time, are computed over the clip's speech, so added silence
    does not change them; the models were trained mostly on speech. (With random weights of the base size, a gain error
    of 8 %, as from 15 % of silence, changes features by a cosine distance of 0.0003; one of 41 %, as from silence as
    long as the speech, by 0.006.)

    Clips above 20 s are encoded in chunks that overlap by at least 4 s; each frame comes from the chunk that has more
    context around it. The effect of chunks on 50 s of speech, read at layer 9 of a base model: with random weights
    (near-uniform attention) features differ by cosine distances of 0.0003, at most 0.0008. A cosine lattice, whose
    values spread by 0.25, differs by 0.002, at most 0.008, and peaks at the same offset. As a worst case, sharpened
    attention (queries and keys × 8) differs by 0.26; the lattice still peaks at the same offset.

    Args:
        model: a `HubertModel`, `WavLMModel` or `Wav2Vec2Model` on its device; its last hidden state is the feature.
        normalize: whether it was trained on sound of zero mean and unit variance.
        key: identifies the features.
        batch: chunks per batch.

    Attributes:
        dim: D, values per frame.
        key: differs whenever the features of a clip may differ.
    """

    dtype = torch.float16

    def __init__(self, model: nn.Module, *, normalize: bool, key: str, batch: int) -> None:
        config: Any = model.config
        self.dim, self.key = int(config.hidden_size), key
        self._model, self._normalize = model.eval().requires_grad_(False), normalize
        # A batch norm before the positional convolution makes padding non-zero, so clips cannot share a batch.
        self._batch = 1 if getattr(config, "conv_pos_batch_norm", False) else batch
        first: Any = model.get_submodule("feature_extractor.conv_layers.0")
        self._convolution: nn.Conv1d = first.conv
        self._norm = _ClipNorm(first.layer_norm) if config.feat_extract_norm == "group" else None
        if self._norm is not None:
            first.layer_norm = self._norm

    @torch.inference_mode()
    def encode_speech(self, clips: Sequence[Heard]) -> list[Tensor]:
        """Return float32 [T, D] on the CPU for each clip of T frames."""
        pieces = [piece for clip in clips for piece in self._pieces(clip)]
        by_length = sorted(range(len(pieces)), key=lambda index: len(pieces[index].waveform))
        features: dict[int, Tensor] = {}
        for start in range(0, len(pieces), self._batch):
            batch = by_length[start : start + self._batch]
            features |= zip(batch, self._features([pieces[index] for index in batch]), strict=True)
        in_order = (features[index] for index in range(len(pieces)))
        return [torch.cat([next(in_order) for _ in _chunks(len(clip))]) for clip in clips]

    def _pieces(self, clip: Heard) -> Iterator["_Piece"]:
        waveform, share = torch.from_numpy(clip.waveform), torch.from_numpy(clip.speech_share)
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
        valid = (torch.arange(waveforms.shape[1], device=device) < lengths[:, None]).long()
        if self._norm is not None:
            self._norm.affine = torch.stack([piece.affine for piece in pieces if piece.affine is not None]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # how WavLM calls torch
            hidden = self._model(waveforms, attention_mask=None if valid.all() else valid).last_hidden_state
        frames = hidden.float().unflatten(1, (-1, 2)).mean(dim=2).cpu()
        return [of_piece[piece.keep] for of_piece, piece in zip(frames, pieces, strict=True)]


class _Piece(NamedTuple):
    """A chunk of n frames.

    Attributes:
        waveform: float32 [640 n + 80], with a margin on both sides.
        keep: the frames to take from this chunk.
        affine: scale and shift of `_ClipNorm`, [2, C].
    """

    waveform: Tensor
    keep: slice
    affine: Tensor | None


class _ClipNorm(nn.Module):
    """Replaces a group norm over time: every chunk of a clip is normalised with the statistics of the clip's speech.

    Without it, padding would change a clip's features, and a clip of 20 s in chunks of 10 s would differ from the whole
    by cosine distances of up to 0.05 instead of 0.003 (random weights of the base size).
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self._norm = norm
        self.affine = torch.zeros(0)  # [B, 2, C]: scale and shift

    def measure(self, convolution: nn.Conv1d, waveform: Tensor, share: Tensor) -> Tensor:
        """Return scale and shift, [2, C], of the channels of the convolution before it.

        The convolution is linear, so mean and variance of its channels follow from those of its input windows.

        Args:
            convolution: has one input channel.
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
    """Load a model from disk; nothing is downloaded, and no code in its folder is run.

    Args:
        source: a folder in the format of the Hugging Face hub, or the hub id of a model that is on this machine.
        layer: the transformer layer to read, from 1, before any norm after the last layer. None: the last hidden
            state.
        device: where to run it; on CUDA in bfloat16.

    Raises:
        UsageError: transformers is not installed, no such folder, a model of another kind or without such a layer, or
            a damaged file.
    """
    files = read_ssl(source, layer)
    key = f"ssl-{files.kind}-{files.identity}-{layer or 'last'}-{_VERSION}"
    batch = _BATCH.get(device.type, 1)
    return SpeechSSL(files.model.to(device), normalize=files.normalize, key=key, batch=batch)


def _normalised(waveform: Tensor, share: Tensor) -> Tensor:
    """Scale a waveform [640 T] to zero mean and unit variance over speech; share of speech [T]."""
    weights = speech_weights(share[None])[0].repeat_interleave(SAMPLES) / SAMPLES
    centred = waveform - waveform @ weights
    return centred / (centred.square() @ weights + _EPS).sqrt()


def _chunks(frames: int) -> list[tuple[int, int, slice]]:
    """Of each chunk: first frame, last frame (exclusive), and the frames to take from it, counted from its first."""
    if frames <= CHUNK:
        return [(0, frames, slice(0, frames))]
    count = ceil((frames - OVERLAP) / (CHUNK - OVERLAP))
    starts = [index * (frames - CHUNK) // (count - 1) for index in range(count)]
    cuts = [0, *((before + CHUNK + after) // 2 for before, after in pairwise(starts)), frames]
    return [(at, at + CHUNK, slice(cuts[i] - at, cuts[i + 1] - at)) for i, at in enumerate(starts)]
