"""Published weights that avsync can use: their licences, and where users get them."""

from dataclasses import dataclass

AVHUBERT, AVHALIGN, HUB = "avsync.avhubert/1", "avsync.mlp/1", "Hugging Face"
BIN = "pytorch_model.bin"
LICENCES = {AVHUBERT: "AV-HuBERT, non-commercial research", AVHALIGN: "CC BY-NC-SA 4.0"}
_PAGES = {AVHUBERT: "https://facebookresearch.github.io/av_hubert/", AVHALIGN: "https://github.com/bit-ml/AVH-Align"}
_APACHE, _SHARE_ALIKE = "Apache-2.0", "CC BY-SA 3.0"
# Sizes in float32; AV-HuBERT without the decoder and the optimizer state, which the published files also contain.
_BASE, _LARGE = 413_000_000, 1_302_000_000


@dataclass(frozen=True)
class Known:
    """Published weights.

    Attributes:
        name: names them on the command line, and their file or folder on this machine.
        description: a few words.
        kind: the format of the file on this machine; HUB: a folder of the Hugging Face hub, which `pull` may fetch.
        size: bytes on this machine, approximately.
        licence: its usual name.
        page: the web page with the licence and the file.
        sha256: of `BIN`; empty where it is unknown.
    """

    name: str
    description: str
    kind: str
    size: int
    licence: str
    page: str
    sha256: str = ""

    @property
    def how(self) -> str:
        """How a user gets them."""
        if self.kind == HUB:
            return f"run: avsync weights pull {self.name}"
        return f"accept the licence at {self.page}, download {self.name}.pt, then run: avsync weights convert FILE"


def _of_authors(name: str, description: str, kind: str, size: int) -> Known:
    return Known(name, description, kind, size, LICENCES[kind], _PAGES[kind])


def _of_hub(name: str, description: str, size: int, licence: str, sha256: str = "") -> Known:
    return Known(name, description, HUB, size, licence, f"https://huggingface.co/{name}", sha256)


KNOWN = {
    known.name: known
    for known in (
        # The clean and the noise-augmented pre-trained files have the same name.
        _of_authors("base_vox_iter5", "AV-HuBERT base", AVHUBERT, _BASE),
        _of_authors("large_vox_iter5", "AV-HuBERT large", AVHUBERT, _LARGE),
        _of_authors("base_vox_433h", "AV-HuBERT base, fine-tuned", AVHUBERT, _BASE),
        _of_authors("large_vox_433h", "AV-HuBERT large, fine-tuned", AVHUBERT, _LARGE),
        _of_authors("self_large_vox_433h", "AV-HuBERT large, self-trained", AVHUBERT, _LARGE),
        _of_authors("AVH-Align_AV1M", "AVH-Align head, AV-Deepfake1M", AVHALIGN, 7_000_000),
        _of_hub(
            "facebook/hubert-base-ls960",
            "HuBERT base, English",
            378_000_000,
            _APACHE,
            "062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad",
        ),
        _of_hub(
            "facebook/hubert-large-ll60k",
            "HuBERT large, English",
            1_260_000_000,
            _APACHE,
            "45a299050945479a68cffe2ab7a63fd08931718ba18f05a42dbb86a5164178e0",
        ),
        _of_hub("microsoft/wavlm-base-plus", "WavLM base, English", 378_000_000, _SHARE_ALIKE),
        _of_hub("microsoft/wavlm-large", "WavLM large, English", 1_260_000_000, _SHARE_ALIKE),
        _of_hub("facebook/wav2vec2-base", "wav2vec 2.0 base, English", 380_000_000, _APACHE),
        _of_hub(
            "facebook/wav2vec2-xls-r-300m",
            "XLS-R, 128 languages",
            1_270_000_000,
            _APACHE,
            "d5e490574712ad0a6736923b9ed11d4cd51c78609c36205f704fc4e87b11d2e0",
        ),
    )
}
