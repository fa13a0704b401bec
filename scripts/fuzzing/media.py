"""Media inputs: the number of an input decides everything about it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fuzzing.clips import KINDS, write_base
from fuzzing.damage import damaged
from fuzzing.draw import Rng, pick
from fuzzing.encodings import encoded, shown, turned
from fuzzing.fields import lied
from fuzzing.packets import TARGETS, copied
from fuzzing.references import CANARY, elsewhere, referring

# How often each family is drawn, of 100.
FAMILIES = {"bytes": 32, "fields": 28, "packets": 17, "encoded": 12, "scene": 6, "rotation": 2, "reference": 3}
_SEEN = [name for name, kind in KINDS.items() if kind.video and kind.audio]


@dataclass(frozen=True)
class MediaInput:
    """A file to be judged. `audio`: a file with its sound, None: its own."""

    family: str
    kind: str
    path: Path
    said: str
    audio: Path | None = None

    @property
    def files(self) -> list[Path]:
        """What may be opened."""
        return [self.path] if self.audio is None else [self.path, self.audio]


class MediaMaker:
    """Makes inputs in a folder; the next one replaces the last.

    Args:
        base: folder of the clips that are mutated.
        folder: where inputs are written.
        port: of the decoy server that references name.
    """

    def __init__(self, base: Path, folder: Path, port: int) -> None:
        self._base = write_base(base)
        self._data = {name: path.read_bytes() for name, path in self._base.items()}
        self._folder, self._port = folder, port

    def make(self, seed: int) -> MediaInput:
        """Write the input of a number."""
        for old in self._folder.iterdir():
            old.unlink()
        (self._folder / CANARY).write_bytes(self._data["mp4"])
        rng = np.random.default_rng([seed, 1])
        family = str(rng.choice(list(FAMILIES), p=np.array(list(FAMILIES.values())) / 100))
        return self._of_family(rng, family)

    def _of_family(self, rng: Rng, family: str) -> MediaInput:
        match family:
            case "bytes" | "fields":
                name = pick(rng, list(KINDS))
                change = (
                    damaged(rng, self._data[name], self._data[pick(rng, list(KINDS))])
                    if family == "bytes"
                    else (lied(rng, self._data[name], name))
                )
                return self._mutant(rng, family, name, *change)
            case "packets":
                source, target = pick(rng, _SEEN), pick(rng, list(TARGETS))
                path = self._folder / f"input.{target}"
                said = copied(rng, self._base[source], path, TARGETS[target])
                if not path.exists():
                    path.write_bytes(b"")
                return MediaInput(family, target, path, f"{source} as {target}: {said}")
            case "encoded":
                path, said = encoded(rng, self._folder)
                return MediaInput(family, path.name.removeprefix("input."), path, said)
            case "scene":
                path, said = shown(rng, self._folder)
                return MediaInput(family, "mp4", path, said)
            case "rotation":
                return self._mutant(rng, family, "mp4", *turned(rng, self._data["mp4"]))
            case _:
                if rng.random() < 0.6:
                    path, said = referring(rng, self._folder, self._port)
                    return MediaInput(family, path.suffix[1:], path, said)
                name = pick(rng, ("mp4", "mov", "3gp"))
                change = elsewhere(rng, self._data[name], self._folder, self._port)
                return self._mutant(rng, family, name, *change)

    def _mutant(self, rng: Rng, family: str, name: str, data: bytes, said: str) -> MediaInput:
        path = self._folder / f"input.{name}"
        path.write_bytes(data)
        if KINDS[name].video is None and rng.random() < 0.7:  # sound alone is judged beside pictures
            pictures = self._folder / "pictures.mp4"
            pictures.write_bytes(self._data["mp4"])
            return MediaInput(family, name, pictures, f"{name} as the sound of a clip: {said}", path)
        return MediaInput(family, name, path, f"{name}: {said}")
