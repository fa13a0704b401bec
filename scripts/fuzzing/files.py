"""Inputs that are no media: checkpoints, stores of features, tables of data sets, configs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from avsync.errors import AvsyncError
from fuzzing.clips import write_base
from fuzzing.draw import Rng
from fuzzing.models import Models
from fuzzing.stores import Stores
from fuzzing.texts import Texts

_CLIP = "clip.mp4"  # what every model that can be loaded judges
# How often each family is drawn, of 100.
FAMILIES = {"checkpoint": 25, "pickle": 25, "store": 20, "table": 15, "config": 15}


@dataclass(frozen=True)
class FileInput:
    """Files in `folder`, and what reads them."""

    family: str
    folder: Path
    said: str
    read: Callable[[], dict[str, Any]]

    @property
    def kind(self) -> str:
        """The family: these inputs have no container."""
        return self.family

    @property
    def files(self) -> list[Path]:
        """What may be opened."""
        return [self.folder]

    def use(self) -> dict[str, Any]:
        """Read them: the outcome, or the error of avsync that says in one line what is wrong."""
        try:
            return self.read()
        except AvsyncError as error:
            return {"outcome": "exception" if "\n" in str(error) else "refused", "detail": str(error)[:300]}


class FileMaker:
    """Makes inputs in a folder; the next one replaces the last."""

    def __init__(self, base: Path, folder: Path) -> None:
        self._folder, self._clip = folder, write_base(base)["mp4"].read_bytes()
        self._models, self._texts = Models(folder, folder / _CLIP), Texts(folder)
        self._stores = Stores(base.with_name("store"), folder)

    def make(self, seed: int) -> FileInput:
        """Write the input of a number."""
        for old in self._folder.iterdir():
            rmtree(old) if old.is_dir() else old.unlink()
        (self._folder / _CLIP).write_bytes(self._clip)
        rng = np.random.default_rng([seed, 2])
        family = str(rng.choice(list(FAMILIES), p=np.array(list(FAMILIES.values())) / 100))
        write, read = self._of(family)
        return FileInput(family, self._folder, write(rng), read)

    def _of(self, family: str) -> tuple[Callable[[Rng], str], Callable[[], dict[str, Any]]]:
        match family:
            case "checkpoint":
                return self._models.pair, self._models.load_pair
            case "pickle":
                return self._models.pickle, self._models.convert_pickle
            case "store":
                return self._stores.write, self._stores.read
            case "table":
                return self._texts.tables, self._texts.open_tables
            case _:
                return self._texts.config, self._texts.load_config
