"""AV-HuBERT (Shi et al., ICLR 2022), written from the paper; users convert the published weights themselves."""

from avsync.encoders.avhubert.encoder import AVHuBERTEncoder, load_avhubert

__all__ = ["AVHuBERTEncoder", "load_avhubert"]
