"""Tiny backbones with random weights, in the formats of the published ones."""

import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from avsync.encoders.avhubert.model import AVHuBERT, AVHuBERTConfig

CONFIG = AVHuBERTConfig(layers=1, width=32, ffn_width=16, heads=2)
# The published options of an AV-HuBERT of this size that matter, and two that do not.
OPTIONS = {
    "_name": "av_hubert",
    "label_rate": 25,
    "encoder_layers": 1,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 16,
    "encoder_attention_heads": 2,
    "layer_norm_first": True,
    "modality_fuse": "concat",
    "sub_encoder_layers": 0,
    "activation_fn": "gelu",
    "audio_feat_dim": 104,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "resnet_relu_type": "prelu",
}
_PUBLISHED = (
    ("resnet.stem.", "feature_extractor_video.resnet.frontend3D."),
    ("resnet.trunk.", "feature_extractor_video.resnet.trunk."),
    ("audio.projection.", "feature_extractor_audio.proj."),
    ("video.projection.", "feature_extractor_video.proj."),
    ("projection.", "post_extract_proj."),
    ("encoder.position.", "encoder.pos_conv.0."),
)


def avhubert_tensors():
    """An AV-HuBERT in half precision under its published names, with tensors of pre-training."""
    torch.manual_seed(0)
    found = {}
    for name, value in AVHuBERT(CONFIG).state_dict().items():
        before, after = next((pair for pair in _PUBLISHED if name.startswith(pair[0])), ("", ""))
        found[after + name.removeprefix(before)] = value.half() if value.is_floating_point() else value
    return {"mask_emb": torch.zeros(104), **found, "final_proj.weight": torch.zeros(4, 32, dtype=torch.float16)}


def save_hubert(folder):
    """Write a HuBERT with two layers of width 32 as a folder of the Hugging Face hub."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder
