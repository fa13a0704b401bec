"""Published AV-HuBERT checkpoints: what their options and tensor names are here."""

import re
from collections.abc import Mapping
from typing import Any

from avsync.encoders.avhubert.model import AVHuBERTConfig
from avsync.encoders.avhubert.preprocess import AUDIO_FEATURES
from avsync.encoders.avhubert.transformer import POSITION_GROUPS, POSITION_KERNEL

_NEEDED = {
    "layers": "encoder_layers",
    "width": "encoder_embed_dim",
    "ffn_width": "encoder_ffn_embed_dim",
    "heads": "encoder_attention_heads",
    "layer_norm_first": "layer_norm_first",
}
# Options that an older checkpoint may not name. The shapes of its tensors would betray another value.
_OPTIONAL = {"modality_fuse": "modality_fuse", "sub_encoder_layers": "sub_encoder_layers"}
# What every published model has, and nothing else is built here.
_FIXED = {
    "activation_fn": "gelu",
    "audio_feat_dim": AUDIO_FEATURES,
    "conv_pos": POSITION_KERNEL,
    "conv_pos_groups": POSITION_GROUPS,
    "resnet_relu_type": "prelu",
}
# Only pre-training uses these; batch counts are of no use once a BatchNorm is frozen.
_DROPPED = re.compile(r"mask_emb|label_embs_concat|final_proj\..*|.*\.num_batches_tracked")
_RENAMED = (
    (re.compile(r"^feature_extractor_video\.resnet\.frontend3D\."), "resnet.stem."),
    (re.compile(r"^feature_extractor_video\.resnet\.trunk\."), "resnet.trunk."),
    (re.compile(r"^feature_extractor_(audio|video)\.proj\."), r"\1.projection."),
    (re.compile(r"^feature_extractor_(audio|video)\."), r"\1."),
    (re.compile(r"^post_extract_proj\."), "projection."),
    (re.compile(r"(^|\.)encoder\.pos_conv\.0\."), r"\1encoder.position."),
)


def config_from_published(options: Mapping[str, Any]) -> AVHuBERTConfig:
    """The config of a model with these published options (`encoder_layers`, `encoder_embed_dim`, ...).

    Raises:
        ValueError: an option is missing, or has a value that is not built here.
    """
    missing = [name for name in _NEEDED.values() if name not in options]
    if missing:
        raise ValueError(f"no option {', '.join(missing)}")
    for name, expected in _FIXED.items():
        if options.get(name, expected) != expected:
            raise ValueError(f"{name} must be {expected}, not {options[name]!r}")
    fields = {**_NEEDED, **_OPTIONAL}
    return AVHuBERTConfig(**{field: options[name] for field, name in fields.items() if name in options})


def rename(key: str) -> str | None:
    """The name in an `AVHuBERT`'s state dict of a published tensor (its key without `encoder.w2v_model.`).

    Returns:
        None for what is left out: the pre-training heads and the batch counts of BatchNorms. A key that no AV-HuBERT
        has comes back as a key that no `AVHuBERT` has.
    """
    if _DROPPED.fullmatch(key):
        return None
    for pattern, name in _RENAMED:
        key = pattern.sub(name, key)
    return key
