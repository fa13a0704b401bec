"""ASVspoof 2019, logical access (Wang et al., Computer Speech & Language 64, 2020, arXiv 1911.01601; ODC-BY 1.0)."""

from pathlib import Path
from re import fullmatch

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.sound import labelled_speech
from avsync.datasets.tables import spaced_rows
from avsync.errors import UsageError

_LAYOUT = "ASVspoof2019_LA_cm_protocols/*.eval.trl.txt beside ASVspoof2019_LA_eval/flac/<utterance>.flac"
_PROTOCOLS = "ASVspoof2019_LA_cm_protocols"
_EVALUATION = f"{_PROTOCOLS}/ASVspoof2019.LA.cm.eval.trl.txt"
# The second letter of an utterance, as in LA_E_1000147, names its part.
_PARTS = {"T": "train", "D": "dev", "E": "eval"}
LABELS = {"bonafide": True, "spoof": False}
# What the systems are, table 1 of the paper: A13 to A15 convert synthetic speech.
KINDS = {f"A{number:02d}": "tts" for number in (1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 16)}
KINDS |= {f"A{number:02d}": "tts+vc" for number in (13, 14, 15)}
KINDS |= {f"A{number:02d}": "vc" for number in (5, 6, 17, 18, 19)}


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `LA`, holds the protocols of this data set."""
    return _find_tree(root) is not None


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the trials of the evaluation part, in the order of its protocol, also those whose file is missing.

    The identity is the speaker, the method the system (A07 to A19), `split` the part.

    Args:
        root: the folder `LA`, or its parent.
        split: another protocol in the same columns, such as `ASVspoof2019.LA.cm.train.trn.txt`.

    Raises:
        UsageError: no such protocol, or a line with a mistake.
    """
    tree = _find_tree(root)
    if tree is None:
        raise UsageError(f"{root}: no {_PROTOCOLS} there; expected {_LAYOUT}")
    found = [_record(tree, where, cells) for where, cells in spaced_rows(split or tree / _EVALUATION, 5)]
    if not found:
        raise UsageError(f"{split or tree / _EVALUATION}: lists no trial")
    if not any((tree / f"ASVspoof2019_LA_{part}" / "flac").is_dir() for part in {record.split for record in found}):
        raise UsageError(f"{tree}: no ASVspoof2019_LA_{found[0].split}/flac there; expected {_LAYOUT}")
    return found


def _find_tree(root: Path) -> Path | None:
    return next((folder for folder in (root, root / "LA") if (folder / _PROTOCOLS).is_dir()), None)


def _record(tree: Path, where: str, cells: list[str]) -> ClipRecord:
    speaker, utterance, _, system, label = cells[:5]
    known = fullmatch(r"LA_([TDE])_\w+", utterance)
    if label not in LABELS or known is None:
        raise UsageError(f"{where}: not SPEAKER LA_{{T,D,E}}_NUMBER - SYSTEM bonafide|spoof")
    part = _PARTS[known[1]]
    name = f"ASVspoof2019_LA_{part}/flac/{utterance}.flac"
    return labelled_speech(
        tree / name,
        name,
        real=LABELS[label],
        method=system,
        identity=speaker,
        kind=KINDS.get(system, ""),
        split=part,
    )


DATASET = Dataset(
    name="asvspoof2019",
    title="ASVspoof 2019 LA",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    list_split=records,
    mixed=frozenset({_PROTOCOLS, *(f"ASVspoof2019_LA_{part}" for part in _PARTS.values())}),
    about=About(
        holds="real speech of VCTK, and synthetic speech of 19 systems",
        size="121,461 clips of 107 people",
        licence="ODC-BY 1.0",
        source="https://datashare.ed.ac.uk/handle/10283/3336",
    ),
)
