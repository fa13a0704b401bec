"""AV-HuBERT (Shi et al., ICLR 2022), written from its architecture; published weights are converted by the user."""

from avsync.encoders.avhubert.encoder import AVHuBERTEncoder, load_avhubert

__all__ = ["AVHuBERTEncoder", "load_avhubert"]
