"""ASVspoof 2021, logical access and deepfake (Liu et al., IEEE/ACM TASLP 31, 2023, arXiv 2210.02437; ODC-BY 1.0).

The labels are in `trial_metadata.txt` of the keys, which come apart from the sound. Its columns are the speaker, the
utterance, the codec, the transmission (LA) or source (DF), the attack, the key, the trimming and the phase.
"""

from functools import partial
from pathlib import Path
from re import fullmatch
from typing import Literal

from avsync.datasets.asvspoof2019 import KINDS, LABELS
from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import first_folder, labelled_speech
from avsync.datasets.tables import spaced_rows
from avsync.errors import UsageError

Track = Literal["LA", "DF"]

_TABLE = "trial_metadata.txt"
# Published figures are of this phase; the others are "progress" and "hidden".
_PHASE = "eval"
# DF comes in four archives, each of which unpacks to a folder of its own.
_PARTS = 4
_ABOUT = {
    "LA": About(
        holds="the systems of ASVspoof 2019 through telephone lines and voice over IP",
        size="181,566 clips",
        licence="ODC-BY 1.0",
        source="https://zenodo.org/records/4837263; the keys from https://www.asvspoof.org/index2021.html",
    ),
    "DF": About(
        holds="more than 100 systems of voice conversion and text-to-speech, through lossy codecs",
        size="611,829 clips",
        licence="ODC-BY 1.0",
        source="https://zenodo.org/records/4835108; the keys from https://www.asvspoof.org/index2021.html",
    ),
}


def matches(track: Track, root: Path) -> bool:
    """Return whether a folder holds the sound of a track."""
    return bool(_sound_folders(track, root))


def records(track: Track, root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the trials of the phase "eval", in the order of the keys, also those whose file is missing.

    The identity is the speaker, the method the attack, `split` the phase.

    Args:
        track: LA or DF.
        root: the folder that holds `ASVspoof2021_LA_eval` (or DF, or its parts) and the keys.
        split: another table in the same columns: all its trials, whatever their phase.

    Raises:
        UsageError: no sound, no keys, or a line with a mistake.
    """
    folders = _sound_folders(track, root)
    if not folders:
        raise UsageError(f"{root}: no ASVspoof2021_{track}_eval/flac there; expected {_layout(track)}")
    table = split or _keys(track, root)
    found = [_record(track, folders, where, cells) for where, cells in spaced_rows(table, 8)]
    found = [record for record in found if split is not None or record.split == _PHASE]
    if not found:
        raise UsageError(f"{table}: lists no trial of the phase {_PHASE!r}")
    return found


def _layout(track: Track) -> str:
    return f"keys/{track}/CM/{_TABLE} and ASVspoof2021_{track}_eval/flac/<utterance>.flac"


def _sound_folders(track: Track, root: Path) -> list[Path]:
    """The folders `flac` of a track; DF may be in parts."""
    name = f"ASVspoof2021_{track}_eval"
    parts = [root, *(root / f"{name}_part{part:02d}" for part in range(_PARTS))]
    return [folder for part in parts if (folder := part / name / "flac").is_dir()]


def _keys(track: Track, root: Path) -> Path:
    archive = f"{track}-keys-full/keys"  # as it unpacks
    places = (f"keys/{track}/CM", f"{archive}/{track}/CM", f"{archive}/CM", "keys/CM")
    folder = first_folder(root / place for place in places)
    if folder is None or not (folder / _TABLE).is_file():
        raise UsageError(f"{root}: the keys are not there; expected {_layout(track)}")
    return folder / _TABLE


def _record(track: Track, folders: list[Path], where: str, cells: list[str]) -> ClipRecord:
    speaker, utterance, _, _, attack, label, _, phase = cells[:8]
    if label not in LABELS or not fullmatch(rf"{track}_E_\w+", utterance):
        raise UsageError(f"{where}: not SPEAKER {track}_E_NUMBER CODEC SOURCE ATTACK bonafide|spoof TRIM PHASE")
    name = f"{utterance}.flac"
    path = next((folder / name for folder in folders[:-1] if (folder / name).is_file()), folders[-1] / name)
    return labelled_speech(
        path,
        f"ASVspoof2021_{track}_eval/flac/{name}",
        real=LABELS[label],
        method=attack,
        identity=speaker,
        kind=KINDS.get(attack, ""),
        split=phase,
    )


def _dataset(track: Track) -> Dataset:
    name = f"ASVspoof2021_{track}_eval"
    return Dataset(
        name=f"asvspoof2021_{track.lower()}",
        title=f"ASVspoof 2021 {track}",
        layout=_layout(track),
        matches=partial(matches, track),
        list_clips=partial(records, track),
        list_split=partial(records, track),
        mixed=frozenset({name, _TABLE, *(f"{name}_part{part:02d}" for part in range(_PARTS))}),
        about=_ABOUT[track],
    )


LA, DF = _dataset("LA"), _dataset("DF")
