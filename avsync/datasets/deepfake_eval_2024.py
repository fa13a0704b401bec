"""Deepfake-Eval-2024 (Chandra et al., 2025, arXiv 2503.02857; CC BY-SA 4.0): real and fake media of the year 2024.

Nobody knows what made the fakes or, in a table, who is seen: a clip stands for itself. Videos have two labels, of the
picture and of the sound. Videos of which neither is fake and one is not known are left out.
"""

from functools import partial
from pathlib import Path
from typing import Literal

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import FAKE_TYPE, ClipRecord
from avsync.datasets.sound import labelled_speech
from avsync.datasets.tables import inside, named_rows, part_of
from avsync.errors import UsageError

Kind = Literal["video", "audio"]

_COLUMNS = {
    "video": ("filename", "video ground truth", "audio ground truth", "finetuning set"),
    "audio": ("filename", "ground truth", "finetuning set"),
}
_LABELS = {"real": False, "fake": True}
_PARTS = ("Train", "Test")


def matches(kind: Kind, root: Path) -> bool:
    """Return whether a folder holds the clips of a kind and their table."""
    return _table(kind, root) is not None and (root / f"{kind}-data").is_dir()


def records(kind: Kind, root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips that the table lists, in its order, also those whose file is missing.

    Args:
        kind: video or audio.
        root: the folder of `video-data` or `audio-data` and of the tables.
        split: `Train` or `Test`, as the authors divide them for finetuning; None: both.

    Raises:
        UsageError: no table, an unknown part, or a row with a mistake.
    """
    table = _table(kind, root)
    if table is None:
        raise UsageError(f"{root}: no {kind}-metadata-publish.csv there; expected {_layout(kind)}")
    wanted = part_of(split, _PARTS, "")
    make = _video if kind == "video" else _audio
    rows = [row for row in named_rows(table, _COLUMNS[kind]) if wanted in ("", row[1]["finetuning set"])]
    found = [record for where, row in rows if (record := make(root, where, row)) is not None]
    if not found:
        raise UsageError(f"{table}: lists no clip with labels")
    return found


def _layout(kind: Kind) -> str:
    return f"{kind}-metadata-publish.csv ({','.join(_COLUMNS[kind])}) beside {kind}-data/<clip>"


def _table(kind: Kind, root: Path) -> Path | None:
    return next(iter(sorted(root.glob(f"{kind}-metadata-publish*.csv"))), None)


def _fake(where: str, label: str) -> bool | None:
    """Whether a label says fake; None for those of which the authors do not know it."""
    if label.lower() in ("", "unknown"):
        return None
    if label.lower() not in _LABELS:
        raise UsageError(f"{where}: unknown label {label!r}; known: Real, Fake, Unknown")
    return _LABELS[label.lower()]


def _video(root: Path, where: str, row: dict[str, str]) -> ClipRecord | None:
    picture, sound = (_fake(where, row[f"{side} ground truth"]) for side in ("video", "audio"))
    fake = bool(picture or sound)
    if not fake and None in (picture, sound):
        return None
    sides = f"{'Fake' if picture else 'Real'}Video-{'Fake' if sound else 'Real'}Audio"
    name = "/".join(inside(where, row["filename"]))
    return ClipRecord(
        path=root / "video-data" / name,
        name=f"video-data/{name}",
        label="fake" if fake else "real",
        type=FAKE_TYPE if None in (picture, sound) else sides,
        method="unknown" if fake else "real",
        identity=Path(name).stem,
        speaker=Path(name).stem,
        split=row["finetuning set"],
    )


def _audio(root: Path, where: str, row: dict[str, str]) -> ClipRecord | None:
    fake = _fake(where, row["ground truth"])
    if fake is None:
        return None
    name = "/".join(inside(where, row["filename"]))
    return labelled_speech(
        root / "audio-data" / name,
        f"audio-data/{name}",
        real=not fake,
        method="unknown",
        identity=Path(name).stem,
        split=row["finetuning set"],
    )


def _dataset(kind: Kind, size: str) -> Dataset:
    return Dataset(
        name=f"deepfake_eval_2024{'' if kind == 'video' else '_audio'}",
        title=f"Deepfake-Eval-2024{'' if kind == 'video' else ' (sound)'}",
        layout=_layout(kind),
        matches=partial(matches, kind),
        list_clips=partial(records, kind),
        list_split=partial(records, kind),
        mixed=frozenset(
            {
                "Deepfake-Eval-2024",
                f"{kind}-metadata-publish.csv",
                f"{kind}-metadata-publish-with-links.csv",
            }
        ),
        about=About(
            holds="what users of social media and of a detection service met in 2024, real and fake, in 52 languages",
            size=size,
            licence="CC BY-SA 4.0, access on request; not for technologies that can harm people",
            source="https://huggingface.co/datasets/nuriachandra/Deepfake-Eval-2024",
        ),
    )


VIDEO, AUDIO = _dataset("video", "45 hours of video"), _dataset("audio", "56.5 hours of sound")
