"""Tables of data sets, splits, configs and overrides that are damaged or lie."""

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from avsync.datasets.registry import open_dataset
from avsync.train.config import load_config
from fuzzing import trees
from fuzzing.damage import damaged
from fuzzing.draw import Rng, count, pick

_CONFIGS = Path(__file__).parents[2] / "configs"
_METADATA = [
    ["source", "target1", "target2", "method", "category", "type", "race", "gender", "path", ""],
    *(
        [
            "id00076",
            "-",
            "-",
            "real",
            "A",
            "RealVideo-RealAudio",
            "African",
            "men",
            f"0010{n}.mp4",
            f"FakeAVCeleb/x/{n}",
        ]
        for n in range(6)
    ),
]
_SPLIT = [["source", "category", "full_path"], *(["id00076", "A", f"FakeAVCeleb/x/{n}/0010{n}.mp4"] for n in range(6))]
_CELLS = (
    "",
    "../../x",
    "/etc/passwd",
    "C:\\x",
    "..",
    ".",
    "\0",
    "x" * 3000,
    '"',
    "\n",
    "é\ud83d",
    "-1",
    "=1+1",
    "A" * 200_000,
)
_KEYS = (
    "optim.lr",
    "trainer.epochs",
    "data.root",
    "model.width",
    "recipe",
    "data.exclude",
    "trainer.seed",
    "model",
    "x.y",
    "",
)
_VALUES = (
    "",
    "x",
    "-1",
    "1e400",
    "nan",
    "[",
    "[a",
    "{a: b}",
    "${oc.env:HOME}",
    "${x}",
    "???",
    "null",
    "!!python/object:x",
    "a: b",
    "&a *a",
    "0x1",
    "'",
    "\t",
)


class Texts:
    """Makes tables and configs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._overrides: list[str] = []

    def tables(self, rng: Rng) -> str:
        """Write a tree of FakeAVCeleb with its table and a split, one of them damaged or lying."""
        (self._folder / "FakeAVCeleb" / "RealVideo-RealAudio").mkdir(parents=True)
        texts = {"meta_data.csv": _METADATA, "split.csv": _SPLIT}
        contents = {name: _joined(rows) for name, rows in texts.items()}
        wrong = pick(rng, list(texts))
        contents[wrong], said = _table(rng, texts[wrong])
        for name, content in contents.items():
            (self._folder / "FakeAVCeleb" / name).write_bytes(content)
        return f"{wrong}: {said}"

    def open_tables(self) -> dict[str, Any]:
        """Open the data set, with and without the split."""
        root = self._folder / "FakeAVCeleb"
        clips = open_dataset(root)
        chosen = open_dataset(root, None, root / "split.csv")
        for clip in (*clips, *chosen):
            assert clip.path.absolute().is_relative_to(root.absolute()), clip.path
        return {"outcome": "opened", "detail": f"{len(clips)} and {len(chosen)} clips"}

    def config(self, rng: Rng) -> str:
        """Write a config that is damaged or lies, or draw odd overrides for a good one."""
        text = pick(rng, sorted(_CONFIGS.glob("*.yaml"))).read_bytes()
        self._overrides, said = [], "odd overrides"
        match int(rng.integers(3)):
            case 0:
                text, said = damaged(rng, text, text)
            case 1:
                tree, said = trees.lied(rng, yaml.safe_load(text))
                text = yaml.safe_dump(tree).encode()
            case _:
                self._overrides = [f"{pick(rng, _KEYS)}={pick(rng, _VALUES)}" for _ in range(count(rng, 3))]
                said = f"overrides {self._overrides}"
        (self._folder / "config.yaml").write_bytes(text)
        return said

    def load_config(self) -> dict[str, Any]:
        """Load it."""
        load_config(self._folder / "config.yaml", ["data.root=x", *self._overrides])
        return {"outcome": "loaded"}


def _joined(rows: list[list[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _table(rng: Rng, rows: list[list[str]]) -> tuple[bytes, str]:
    if rng.random() < 0.4:
        return damaged(rng, _joined(rows), b'"\0\xff\xfe,\r\n')
    rows, words = [list(row) for row in rows], []
    for _ in range(count(rng, 4)):
        row = pick(rng, rows)
        place = int(rng.integers(len(row))) if row else 0
        match int(rng.integers(5)):
            case 0 if row:
                del row[place]
                words.append("a cell deleted")
            case 1:
                row.insert(place, pick(rng, _CELLS))
                words.append("a cell inserted")
            case 2:
                rows.append(row)
                words.append("a row doubled")
            case _ if row:
                row[place] = pick(rng, _CELLS)
                words.append(f"a cell is {row[place][:10]!r}")
            case _:
                pass
    return _joined(rows), ", ".join(words)
