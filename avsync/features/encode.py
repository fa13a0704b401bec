"""From chunks to features."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from avsync.align.lattice import TAU
from avsync.encoders.registry import Backbone
from avsync.features.chunks import Chunk, chunks
from avsync.features.store import Features
from avsync.media import FPS
from avsync.recording import Recording


def encode_recording(recording: Recording, backbone: Backbone) -> Iterator[Features]:
    """The features of every face of a recording, in memory that does not grow with it.

    Raises:
        CannotJudge: as `Recording.face_clips`.
    """
    for chunk in chunks(recording):
        yield from encode_chunks([chunk], backbone)


def encode_chunks(batch: Sequence[Chunk], backbone: Backbone) -> list[Features]:
    """The features of some chunks, each with the frames on either side of its core that the lattice looks at."""
    encoded = backbone.encode([chunk.clip for chunk in batch]) if batch else []
    return [_features(chunk, *features) for chunk, features in zip(batch, encoded, strict=True)]


def as_kept(features: Features, backbone: Backbone) -> Features:
    """The features in the types that a store keeps (`Encoder.dtype`)."""
    lips, speech = backbone.lips.dtype, backbone.speech.dtype
    return replace(
        features,
        lip_features=_cast(features.lip_features, lips),
        speech_features=_cast(features.speech_features, speech),
    )


def _cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    if dtype is torch.float16:
        limit = torch.finfo(dtype).max
        values = values.clamp(-limit, limit)
    return values.to(dtype)


def _features(chunk: Chunk, lips: Tensor, speech: Tensor) -> Features:
    clip, core = chunk.clip, chunk.core
    kept = slice(max(0, core.start - TAU), core.stop + TAU)
    return Features(
        track=clip.track,
        start=clip.start + core.start / FPS,
        box=clip.box,
        landmarks=torch.from_numpy(clip.landmarks[kept]),
        lip_features=lips[kept],
        speech_features=speech[kept],
        speech_share=torch.from_numpy(clip.speech_share[kept]),
        core=slice(core.start - kept.start, core.stop - kept.start),
    )
