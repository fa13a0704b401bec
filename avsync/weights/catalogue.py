"""Published weights that avsync can use: their licences, and where users get them."""

from dataclasses import dataclass

AVHUBERT, AVHALIGN, HUB, WEB = "avsync.avhubert/1", "avsync.mlp/1", "Hugging Face", "the web"
BIN = "pytorch_model.bin"
LICENCES = {AVHUBERT: "AV-HuBERT, non-commercial research", AVHALIGN: "CC BY-NC-SA 4.0"}
_PAGES = {AVHUBERT: "https://facebookresearch.github.io/av_hubert/", AVHALIGN: "https://github.com/bit-ml/AVH-Align"}
_APACHE, _SHARE_ALIKE, _BSD, _MIT = "Apache-2.0", "CC BY-SA 3.0", "BSD-3-Clause", "MIT"
_FACE_ALIGNMENT = "https://github.com/1adrianb/face-alignment"
# Sizes in float32; AV-HuBERT without the decoder and the optimizer state, which the published files also contain.
_BASE, _LARGE = 413_000_000, 1_302_000_000


@dataclass(frozen=True)
class Known:
    """Published weights.

    Attributes:
        name: names them on the command line, and their file or folder on this machine.
        description: a few words.
        kind: the format of the file on this machine; HUB: a folder of the Hugging Face hub; WEB: one file of the web.
            `pull` may fetch the last two.
        size: bytes on this machine, approximately.
        licence: its usual name.
        page: the web page with the licence and the file.
        sha256: of `BIN`, empty where it is unknown; WEB: of the file, always known.
        url: WEB: the address of the file; its last part names the file on this machine.
    """

    name: str
    description: str
    kind: str
    size: int
    licence: str
    page: str
    sha256: str = ""
    url: str = ""

    @property
    def file(self) -> str:
        """WEB: the name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def how(self) -> str:
        """How a user gets them."""
        if self.kind in (HUB, WEB):
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
            378_107_000,
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
        _of_hub("microsoft/wavlm-base-plus", "WavLM base, English", 378_107_000, _SHARE_ALIKE),
        _of_hub("microsoft/wavlm-large", "WavLM large, English", 1_260_000_000, _SHARE_ALIKE),
        _of_hub("facebook/wav2vec2-base", "wav2vec 2.0 base, English", 380_000_000, _APACHE),
        _of_hub(
            "facebook/wav2vec2-xls-r-300m",
            "XLS-R, 128 languages",
            1_270_000_000,
            _APACHE,
            "d5e490574712ad0a6736923b9ed11d4cd51c78609c36205f704fc4e87b11d2e0",
        ),
        # The hub's page names no licence; the authors' repository has the code under MIT.
        _of_hub("facebook/encodec_24khz", "EnCodec, 24 kHz", 93_000_000, "none stated"),
        # The licence is that of the weights in the authors' repository, descriptinc/descript-audio-codec.
        _of_hub("descript/dac_16khz", "Descript audio codec, 16 kHz", 297_000_000, _MIT),
        _of_hub("kyutai/mimi", "Mimi, a codec of speech, 24 kHz", 385_000_000, "CC BY 4.0"),
        _of_hub(
            "microsoft/speecht5_hifigan",
            "HiFi-GAN of SpeechT5",
            50_700_000,
            _MIT,
            "b171e9bcd8a2b50dc9780040478dfa26783a9ee4be012cf5776914f091d6887b",
        ),
        # The hash is not on Google's pages; pub.dev's package mediapipe_vision and other public projects name this one.
        Known(
            "face_landmarker",
            "MediaPipe's faces, 478 points",
            WEB,
            3_758_596,
            _APACHE,
            "https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker",
            "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
            "face_landmarker.task",
        ),
        # The authors put the first digits of the hashes into the names of the files; public projects name the rest.
        Known(
            "2DFAN4",
            "FAN, 68 points of a face",
            WEB,
            96_000_000,
            _BSD,
            _FACE_ALIGNMENT,
            "11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
            "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
        ),
        Known(
            "s3fd",
            "S3FD, boxes of faces",
            WEB,
            89_843_225,
            _BSD,
            _FACE_ALIGNMENT,
            "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
            "https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
        ),
        Known(
            "resnet18",
            "ResNet-18 of ImageNet",
            WEB,
            46_830_571,
            _BSD,
            "https://github.com/pytorch/vision",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        ),
        # The first digits of the hashes are in the names of the files; public projects name the rest.
        Known(
            "efficientnet_b0",
            "EfficientNet-B0 of ImageNet",
            WEB,
            21_444_401,
            _BSD,
            "https://github.com/pytorch/vision",
            "7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934",
            "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
        ),
        Known(
            "efficientnet_b4",
            "EfficientNet-B4 of ImageNet",
            WEB,
            78_107_000,
            _BSD,
            "https://github.com/pytorch/vision",
            "23ab8bcd5bdbef61a7a43b91adcad81f622fd7f36fb4935a569828d77888c44e",
            "https://download.pytorch.org/models/efficientnet_b4_rwightman-23ab8bcd.pth",
        ),
    )
}
