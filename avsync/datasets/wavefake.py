"""WaveFake (Frank & Schönherr, NeurIPS 2021 Datasets and Benchmarks, arXiv 2111.02813; CC BY-SA 4.0).

It holds fakes alone: LJSpeech (public domain) and JSUT as vocoders rebuilt them. The real speech is put beside it. Each
of these has one speaker, so roles cannot keep people apart: the identity is the chapter of LJSpeech (LJ001) or the
utterance of JSUT.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import first_folder, labelled_speech, sounds, subfolders
from avsync.errors import UsageError

_LAYOUT = "generated_audio/ljspeech_melgan/<utterance>_gen.wav beside LJSpeech-1.1/wavs/<utterance>.wav"
_GENERATED = "generated_audio"
_SPEECH = {"ljspeech": "LJSpeech-1.1/wavs", "jsut": "jsut_ver1.1/basic5000/wav"}  # by corpus, the real speech
_VOCODERS = {
    "ljspeech": (
        *("full_band_melgan", "hifiGAN", "melgan", "melgan_large"),
        *("multi_band_melgan", "parallel_wavegan", "waveglow"),
    ),
    "jsut": ("multi_band_melgan", "parallel_wavegan"),
}
# New sentences, by FastSpeech 2 and Parallel WaveGAN in the voice of LJSpeech.
_TTS = "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
# By folder: corpus, method and kind.
_FOLDERS = {f"{corpus}_{name}": (corpus, name, "vocoder") for corpus, names in _VOCODERS.items() for name in names}
_FOLDERS |= {_TTS: ("ljspeech", "fastspeech2_pwg", "tts")}
_ENDINGS = ("_gen", "_generated")


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `generated_audio`, holds the folder of a vocoder."""
    return bool(_generated(root))


def records(root: Path) -> list[ClipRecord]:
    """Return the fakes of the vocoders that are there and the real speech they rebuilt, sorted.

    `page` is the corpus, `pair` the utterance.

    Raises:
        UsageError: no vocoder, no clip, or the real speech of a corpus is missing.
    """
    folders, found = _generated(root), list[ClipRecord]()
    if not folders:
        raise UsageError(f"{root}: no folder of a vocoder there; expected {_LAYOUT}")
    for corpus in sorted({_FOLDERS[folder.name][0] for folder in folders}):
        place = _SPEECH[corpus]
        speech = first_folder((root / place, root.parent / place))
        if speech is None:
            raise UsageError(f"{root}: the real speech {place} is neither there nor beside it; expected {_LAYOUT}")
        found += [_record(path, f"{place}/{path.name}", corpus) for path in sounds(speech)]
    for folder in folders:
        found += [_record(path, f"{folder.name}/{path.name}", *_FOLDERS[folder.name]) for path in sounds(folder)]
    return found


def _generated(root: Path) -> list[Path]:
    folder = root / _GENERATED if (root / _GENERATED).is_dir() else root
    return [vocoder for vocoder in subfolders(folder) if vocoder.name in _FOLDERS]


def _record(path: Path, name: str, corpus: str, method: str = "", kind: str = "") -> ClipRecord:
    utterance = path.stem
    for ending in _ENDINGS:
        utterance = utterance.removesuffix(ending)
    chapter = utterance.partition("-")[0] if corpus == "ljspeech" and kind != "tts" else utterance
    pair = "" if kind == "tts" else utterance
    more = {"kind": kind, "page": corpus, "pair": pair}
    return labelled_speech(path, name, real=not method, method=method, identity=chapter, speaker=corpus, **more)


DATASET = Dataset(
    name="wavefake",
    title="WaveFake",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset({_GENERATED, *_FOLDERS}),
    about=About(
        holds="LJSpeech and JSUT as vocoders rebuilt them; the real speech comes apart",
        size="196 hours",
        licence="CC BY-SA 4.0",
        source="https://zenodo.org/records/5642694",
    ),
)
