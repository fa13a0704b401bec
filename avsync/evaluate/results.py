"""The verdicts of an evaluation: lines of a JSON Lines file that may be cut off at any time and continued."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError
from avsync.evaluate.json_files import drop_torn_line, plain, write_json
from avsync.evaluate.sound_facts import SoundFacts
from avsync.score.verdict import Verdict

VERDICTS, SETTINGS, TABLE = "verdicts.jsonl", "settings.json", "clips.csv"


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes verdicts comparable. Verdicts of different settings are never mixed.

    Attributes:
        model, weights_sha256: the name of the model, and the hash of its weights.
        checks: their names.
        trim: what silence is left out.
        faces: the name of the face detector.
        level: the share of real recordings that may be called suspicious.
        calibration_sha256: the hash of what verdicts are compared with; empty without calibration.
    """

    model: str
    weights_sha256: str
    checks: tuple[str, ...]
    trim: str
    faces: str
    level: float
    calibration_sha256: str = ""


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One line of `verdicts.jsonl`: the clip, as `describe` returns it, its verdict, and what its sound is like.

    `sound` is None for videos and for sound that cannot be decoded.
    """

    clip: dict[str, str | int]
    verdict: Verdict
    sound: SoundFacts | None = None


def describe(record: ClipRecord) -> dict[str, str | int]:
    """Return what a line says about a clip. If any of it changes, the clip is judged again.

    `bytes` is the size of the clip's file, together with that of its sound file if it has one; -1 if one is missing.
    """
    return {
        "name": record.name,
        "bytes": _size(record),
        "label": record.label,
        "type": record.type,
        "method": record.method,
        "identity": record.identity,
        "split": record.split,
    }


class VerdictFile:
    """`verdicts.jsonl` in a folder, with the settings that its verdicts were made with."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Open the file, or prepare the folder for it. A last line that was cut off is removed.

        Raises:
            UsageError: the folder holds results of other settings, or something else, or cannot be written.
        """
        self._folder, self._path = folder, folder / VERDICTS
        self._settings: dict[str, Any] = plain(settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any((folder / name).exists() for name in (VERDICTS, SETTINGS, TABLE)):
                self._check_settings()
            else:
                write_json(folder / SETTINGS, self._settings)
            if self._path.exists():
                drop_torn_line(self._path)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written ({error.strerror})") from error

    def read(self) -> dict[str, StoredVerdict]:
        """Return the verdicts by name of the clip; the last line of a name counts.

        Raises:
            UsageError: a line was not written by this version.
        """
        if not self._path.exists():
            return {}
        found = {}
        with self._path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    clip = json.loads(line)
                    verdict, sound = Verdict.from_dict(clip.pop("verdict")), clip.pop("sound", None)
                    stored = StoredVerdict(clip, verdict, None if sound is None else SoundFacts(**sound))
                    found[str(clip["name"])] = stored
                except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
                    raise self._refusal(f"holds no verdict of this version in {VERDICTS}, line {number}") from error
        return found

    @contextmanager
    def appending(self) -> Iterator[Callable[[StoredVerdict], None]]:
        """Yield a function that adds a line and hands it to the operating system at once."""
        with self._path.open("a", encoding="utf-8", newline="\n") as file:

            def add(stored: StoredVerdict) -> None:
                line = {**stored.clip, "verdict": stored.verdict.to_dict()}
                line |= {} if stored.sound is None else {"sound": plain(stored.sound)}
                file.write(json.dumps(plain(line), allow_nan=False) + "\n")
                file.flush()

            yield add

    def _check_settings(self) -> None:
        try:
            before = json.loads((self._folder / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._refusal("holds results of unknown settings") from error
        now = self._settings
        changed = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
        if changed:
            raise self._refusal(f"holds results of other settings (changed: {', '.join(changed)})")

    def _refusal(self, what: str) -> UsageError:
        return UsageError(f"{self._folder} {what}; choose another folder, or remove this one")


def _size(record: ClipRecord) -> int:
    files = [record.path] if record.audio is None else [record.path, record.audio]
    return sum(file.stat().st_size for file in files) if all(file.is_file() for file in files) else -1
