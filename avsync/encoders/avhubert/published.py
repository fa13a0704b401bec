"""Published AV-HuBERT checkpoints: their options and tensor names, translated to ours."""

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
# Options that older checkpoints do not have. If they had other values, tensor shapes would not match.
_OPTIONAL = {"modality_fuse": "modality_fuse", "sub_encoder_layers": "sub_encoder_layers"}
# Options that are equal in every published model; other values are not implemented.
_FIXED = {
    "activation_fn": "gelu",
    "audio_feat_dim": AUDIO_FEATURES,
    "conv_pos": POSITION_KERNEL,
    "conv_pos_groups": POSITION_GROUPS,
    "resnet_relu_type": "prelu",
}
# Used only in pre-training, and batch counts, which a frozen BatchNorm does not need.
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
    """Return the config of a model with these published options (`encoder_layers`, `encoder_embed_dim`, ...).

    Raises:
        ValueError: an option is missing, or has a value that is not implemented.
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
    """Return the name that a published tensor (its key without `encoder.w2v_model.`) has in an `AVHuBERT`.

    Returns:
        None for tensors that are not needed: the pre-training heads and the batch counts of BatchNorms. Unknown keys
        are returned unchanged, so that loading rejects them.
    """
    if _DROPPED.fullmatch(key):
        return None
    for pattern, name in _RENAMED:
        key = pattern.sub(name, key)
    return key
