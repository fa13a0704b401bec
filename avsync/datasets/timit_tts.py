"""TIMIT-TTS (Salvi et al., IEEE Access 11, 2023, arXiv 2209.08000; CC BY 4.0): VidTIMIT's sentences by 12 systems.

It holds fakes alone. The real speech is VidTIMIT's (Sanderson & Lovell, ICB 2009), which is put beside it. Four folders
have the same clips: CLEAN, AUG (degraded), DTW (as long as the real ones) and DTW_AUG.
"""

from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import labelled_speech, sounds, subfolders
from avsync.errors import UsageError

_LAYOUT = "TIMIT-TTS/CLEAN/single_speaker/<system>/<clip>.wav beside VidTIMIT/<speaker>/audio/<clip>.wav"
_VERSIONS = ("CLEAN", "AUG", "DTW", "DTW_AUG")
_VOICES = {"single_speaker": "*/*", "multi_speaker": "*/*/*"}  # <system>/<clip>, <system>/<speaker>/<clip>
_REAL = "vidtimit"


def matches(root: Path) -> bool:
    """Return whether a folder is a version of TIMIT-TTS, or holds CLEAN, or holds `TIMIT-TTS`."""
    return _version(root) is not None


def records(root: Path) -> list[ClipRecord]:
    """Return VidTIMIT's sentences and the fakes of CLEAN, or of another version if its folder is given, sorted.

    The identity of a real clip is the speaker, that of a fake the name of its file: all systems say the same sentences.

    Raises:
        UsageError: no version, or VidTIMIT is missing.
    """
    version = _version(root)
    if version is None:
        raise UsageError(f"{root}: no {_VERSIONS[0]}/single_speaker there; expected {_LAYOUT}")
    above = (root, *root.absolute().parents[:2])
    speech = next((folder for place in above for folder in subfolders(place) if folder.name.lower() == _REAL), None)
    if speech is None:
        raise UsageError(f"{root}: no VidTIMIT there, nor in the two folders above; expected {_LAYOUT}")
    real = [
        labelled_speech(path, f"VidTIMIT/{path.relative_to(speech).as_posix()}", real=True, method="", identity=speaker)
        for path in sounds(speech, "*/audio/*")
        for speaker in path.relative_to(speech).parts[:1]
    ]
    return real + [
        _fake(path, version) for voices, depth in _VOICES.items() for path in sounds(version / voices, depth)
    ]


def _version(root: Path) -> Path | None:
    candidates = [root] if root.name in _VERSIONS else [root / "CLEAN", root / "TIMIT-TTS" / "CLEAN"]
    return next((path for path in candidates if any((path / voices).is_dir() for voices in _VOICES)), None)


def _fake(path: Path, version: Path) -> ClipRecord:
    below = path.relative_to(version)
    voices, system = below.parts[:2]
    method = f"{system} ({voices.removesuffix('_speaker')})"
    return labelled_speech(
        path, f"{version.name}/{below.as_posix()}", real=False, method=method, identity=path.stem, kind="tts"
    )


DATASET = Dataset(
    name="timit_tts",
    title="TIMIT-TTS",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    fake_folders=frozenset(_VOICES),
    mixed=frozenset({"TIMIT-TTS"}),
    about=About(
        holds="the sentences of VidTIMIT by 12 text-to-speech systems; the real speech comes apart",
        size="about 80,000 clips",
        licence="CC BY 4.0",
        source="https://zenodo.org/records/6560159",
    ),
)
