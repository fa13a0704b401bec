"""Every command of README.md prints what README.md shows, on clips that the test makes."""

import contextlib
import io
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from avsync.checks.registry import asked_by_default
from avsync.cli import command_line
from avsync.errors import Reason

ROOT = Path(__file__).parents[1]
# Numbers may differ by this much between machines: 0.02, and 5 % of the number.
_ABSOLUTE, _RELATIVE = 0.02, 0.05
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Example:
    """A block of README.md, and the block after it if that shows what the first one prints."""

    language: str
    code: str
    shown: str | None


def examples(text):
    """The blocks of commands and of Python, each with what it prints; `pip install` alone prints nothing to show."""
    found, blocks = [], [(match[1], match[2]) for match in _FENCE.finditer(text)]
    while blocks:
        language, code = blocks.pop(0)
        shown = None
        if ("pytest" in code or not code.startswith("pip install")) and blocks and blocks[0][0] == "":
            shown = blocks.pop(0)[1]
        found.append(Example(language, code, shown))
    return found


def same(printed, shown):
    """Whether two texts have the same words, and the same numbers within the tolerance. Line breaks do not count."""
    if _NUMBER.sub("#", printed).split() != _NUMBER.sub("#", shown).split():
        return False
    pairs = zip(map(float, _NUMBER.findall(printed)), map(float, _NUMBER.findall(shown)), strict=True)
    return all(abs(ours - theirs) <= _ABSOLUTE + _RELATIVE * theirs for ours, theirs in pairs)


README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = examples(README)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a command of README.md, each once, in a folder with the clips that it names."""
    folder = tmp_path_factory.mktemp("readme")
    demo = next(example.code for example in EXAMPLES if example.code.startswith("avsync demo"))

    @cache
    def run(command):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("COLUMNS", "100")
            return CliRunner().invoke(command_line, command.split()[1:])

    run(demo)
    _without_sound(folder / "clips" / "in_sync.mp4", folder / "clips" / "silent.mp4")
    (folder / "clips" / "notes.txt").write_text("not a video\n")
    run.folder = folder
    return run


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.code.startswith("avsync ")], ids=lambda e: e.code.strip())
def test_a_command_prints_what_readme_shows(example, run):
    result = run(example.code)
    assert result.exit_code == (1 if "cannot judge" in result.stdout else 0)
    assert example.shown is not None, f"README.md shows no output of {example.code}"
    assert same(result.stdout, example.shown), f"README.md shows something else than\n{result.stdout}"


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.language == "python"], ids=lambda e: e.code.splitlines()[0]
)
def test_python_prints_what_readme_shows(example, run, monkeypatch):
    monkeypatch.chdir(run.folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.code, "README.md", "exec"), {})
    assert example.shown is not None, f"README.md shows no output of {example.code}"
    assert same(printed.getvalue(), example.shown), f"README.md shows something else than\n{printed.getvalue()}"


def test_the_explanation_in_docs_is_what_is_printed(run):
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    example = next(example for example in examples(page) if example.code.startswith("avsync explain"))
    result = run(example.code)
    assert same(result.stdout, example.shown), f"docs/cli.md shows something else than\n{result.stdout}"


@pytest.mark.parametrize(
    "example",
    [e for e in examples((ROOT / "docs" / "output.md").read_text(encoding="utf-8")) if e.language == "python"],
    ids=lambda e: e.code.splitlines()[2],
)
def test_python_in_docs_runs_and_prints_what_is_shown(example, run, monkeypatch):
    monkeypatch.chdir(run.folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.code, "output.md", "exec"), {})
    if example.shown is not None:
        assert same(printed.getvalue(), example.shown), f"output.md shows something else than\n{printed.getvalue()}"


def test_pip_installs_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")):
        for extras in re.findall(r"pip install [^\n]*\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), page


def test_every_block_is_an_example():
    for example in EXAMPLES:
        assert example.language in ("", "python")
        assert example.code.startswith(("avsync ", "pip install", "from avsync"))


def test_readme_is_short_and_says_what_it_is_at_once():
    assert len(README.encode()) <= 8000
    assert "deepfake" in README.split("\n\n")[1].split("\n")[0]


def test_readme_names_every_reason_and_every_check():
    reading = README.partition("## How to read a verdict")[2].partition("\n## ")[0]
    assert all(f"`{reason}`" in reading for reason in Reason)
    assert all(f"| p {name} |" in reading for name in asked_by_default())


@pytest.mark.parametrize(
    ("printed", "shown", "equal"),
    [
        ("p = 0.042; lag +160 ms", "p = 0.038;\n  lag +160 ms", True),
        ("p = 0.12", "p = 0.04", False),
        ("lag +160 ms", "lag +80 ms", False),
        ("2 of 30", "2 of 30 clips", False),
        ("suspicious", "consistent", False),
    ],
)
def test_the_comparison_sees_words_and_numbers(printed, shown, equal):
    assert same(printed, shown) is equal


def _without_sound(source, target):
    """Copy the pictures of a clip."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as copy:
        pictures = clip.streams.video[0]
        stream = copy.add_stream_from_template(pictures)
        for packet in clip.demux(pictures):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
