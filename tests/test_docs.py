"""The documents say what the code says: tables, fields, paths, links, layers, options and examples."""

import ast
import re
import runpy
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from face_footage import footage_of

from avsync.checks.measure import measure
from avsync.datasets import open_dataset
from avsync.datasets.record import ClipRecord
from avsync.datasets.splits import training_records
from avsync.demo import make_clips
from avsync.demo.voice import speak
from avsync.detector import Detector
from avsync.errors import Reason, UsageError
from avsync.evaluate import PROTOCOLS, Settings
from avsync.evaluate.results import StoredVerdict
from avsync.face.interface import load_face_detector
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.speech import reconstruct
from avsync.recording import open_recording
from avsync.score.readings import READINGS
from avsync.score.readings.lattice import LatticeWindow
from avsync.score.verdict import Verdict
from avsync.train.config import MLPTraining, ResNetTraining, TemporalTraining

ROOT = Path(__file__).parents[1]
_CHECKPOINTS = ROOT / "checkpoints" / "README.md"
PAGES = sorted(
    [*ROOT.glob("docs/*.md"), *(ROOT / page for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), _CHECKPOINTS]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=_name)
def test_the_generated_parts_of_a_page_are_what_the_script_writes(page):
    fill = runpy.run_path(str(ROOT / "scripts" / "write_docs.py"))["fill"]
    text = page.read_text()
    assert fill(text) == text, "run: python scripts/write_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_inside_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", _prose(page)):
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_of_the_repository_that_a_page_names_exists(page):
    named = re.findall(r"`((?:avsync|tests|scripts|configs|docs|checkpoints)/[\w./-]*)`", page.read_text())
    examples = set(re.findall(r"^# (avsync/\S+\.py)$", page.read_text(), re.MULTILINE))
    for path in set(named) - examples:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_option_that_a_page_names_is_one_of_its_verb(page):
    for words in _commands(page):
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= {*_options(words[1:]), "--help"}, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_setting_that_a_page_names_is_one_of_the_configs(page):
    configs = [MLPTraining(), ResNetTraining(), TemporalTraining()]
    for part, name in re.findall(r"\b(data|optim|trainer)\.(\w+)", _prose(page) + "\n".join(_blocks(page))):
        assert any(hasattr(getattr(config, part), name) for config in configs), f"{part}.{name}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=_name)
def test_every_command_of_a_page_is_followed_by_what_it_prints(page):
    blocks = [*_blocks(page), "avsync "]
    for block, following in pairwise(blocks):
        if "avsync " in re.findall(r"^avsync ", block, re.MULTILINE):
            assert not following.startswith(("avsync ", "pip ")), block


def test_modules_import_only_from_lower_layers():
    table = re.findall(r"^\| (\d+) \| `([\w./]+)` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    layers = {name.removesuffix(".py").removesuffix("/"): int(number) for number, name in table}
    imports = _imports()
    assert set(layers) == set(imports)
    for module, imported in imports.items():
        above = {other for other in imported if layers[other] >= layers[module]}
        assert not above, f"{module} (layer {layers[module]}) imports {above}"


def test_the_glossary_has_every_word_of_the_plan():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for word in ("recording", "face clip", "window", "segment", "chunk", "check", "reading", "reference", "role"):
        assert re.search(rf"^\| {word} \|", text, re.MULTILINE), word


class TestAdding:
    """The examples of docs/adding.md, registered as the page says."""

    @pytest.fixture
    def add(self, monkeypatch):
        """Add the example with that file: its module becomes importable, its line is evaluated in the registry."""

        def add(path):
            source, line = _example(path)
            name = path.removesuffix(".py").replace("/", ".")
            if (ROOT / path).exists():
                module = import_module(name)
                known = set(vars(module))
                exec(compile(source, path, "exec"), vars(module))
                for added in set(vars(module)) - known:
                    monkeypatch.setattr(module, added, getattr(module, added))
            else:
                module = ModuleType(name)
                monkeypatch.setitem(sys.modules, name, module)
                exec(compile(source, path, "exec"), vars(module))
            place, registry, entry = line
            home = import_module(place)
            scope = {**vars(home), name.rpartition(".")[2]: module}
            added = eval(f"{{{entry}}}" if entry.startswith('"') else entry, scope)
            entries = added if isinstance(added, dict) else {added.name: added}
            for key, value in entries.items():
                monkeypatch.setitem(getattr(home, registry), key, value)
            return module

        return add

    def test_the_data_set_is_detected_and_its_fakes_are_kept_out_of_training(self, add, tmp_path):
        add("avsync/datasets/pairs.py")
        for name in ("real/ann/1.mp4", "fake/bob/2.mp4"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).touch()
        assert [(r.label, r.identity) for r in open_dataset(tmp_path)] == [("fake", "bob"), ("real", "ann")]
        with pytest.raises(UsageError, match="fakes"):
            training_records(tmp_path)

    def test_the_reading_is_high_where_one_offset_stands_out(self, add):
        add("avsync/score/readings/lattice.py")
        flat = torch.zeros(50, 31)
        peak = flat.clone()
        peak[:, 17] = 2.0
        read = [READINGS["confidence"].read(LatticeWindow(lattice, torch.ones(50))) for lattice in (flat, peak)]
        assert read == [0.0, 2.0]

    def test_the_check_reads_every_window(self, add, clips):
        check = add("avsync/checks/blinks.py").load(None, None)
        windows, _ = measure(open_recording(clips / "in_sync.mp4"), [check], ())
        combined = check.combine(windows["blinks"][0])
        assert combined.windows
        assert all(0 < window.readings["eye_opening_range"] < 1 for window in combined.windows)

    def test_the_backbone_finds_the_lag_of_the_demo(self, add, clips):
        add("avsync/encoders/envelope.py")
        verdict = Detector(backbone="envelope", reading="speechforensics").score(clips / "in_sync.mp4")
        assert verdict.verdict == "measured"
        assert abs(verdict.tracks[0].lag_ms) <= 80

    def test_the_face_detector_is_loaded_by_its_name(self, add):
        add("avsync/face/thorough.py")
        detector = load_face_detector("thorough")
        assert detector.key == "dlib-68-thorough/1"
        assert detector.find(np.zeros((90, 120), np.uint8)) == []

    def test_the_reconstruction_keeps_length_and_level(self, add):
        add("avsync/reconstruct/speech/random_phase.py")
        speech = speak(1.0, seed=0).waveform
        rebuilt = reconstruct(speech, "random_phase", np.random.default_rng(0))
        assert rebuilt.shape == speech.shape
        assert rebuilt.std() == pytest.approx(speech.std(), rel=1e-3)
        assert np.abs(rebuilt - speech).max() > 0.01

    def test_the_face_reconstruction_changes_the_face_and_nothing_else(self, add):
        add("avsync/reconstruct/face/median.py")
        footage = footage_of(2, 64)
        done = rebuild_face(footage, "median", np.random.default_rng(0))
        changed = (done.pictures != footage.pictures).any(axis=3)
        assert changed.any()
        assert (done.mask[changed] > 0).all()

    def test_the_protocol_counts_refusals(self, add, tmp_path):
        add("avsync/evaluate/protocols/refusals.py")
        record = ClipRecord(tmp_path / "a.mp4", "a.mp4", "real", "RealVideo-RealAudio", "real", "ann", "ann")
        settings = Settings("temporal", "", ("lips",), "default", "dlib", 0.05)
        results = {"a.mp4": StoredVerdict({}, Verdict("a.mp4", "cannot_judge", Reason.NO_FACE))}
        summary = PROTOCOLS["refusals"]([record], results, settings)
        assert summary.tables() == {"Refused clips": [{"reason": "no_face", "clips": 1}]}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder, seconds=4.0)
    return folder


def _example(path):
    """The code of an example of docs/adding.md, and its line: module and name of the registry, and the entry."""
    blocks = [block[2] for block in _FENCE.finditer((ROOT / "docs" / "adding.md").read_text())]
    index = next(i for i, block in enumerate(blocks) if block.startswith(f"# {path}\n"))
    head, entry = blocks[index + 1].strip().split("\n")
    home, registry = re.fullmatch(r"# (\S+?)\.py[,:].* in (\w+)", head).groups()
    return blocks[index], (home.replace("/", ".").removesuffix(".__init__"), registry, entry)


def _prose(page):
    return _FENCE.sub("", page.read_text())


def _blocks(page):
    return [block[2] for block in _FENCE.finditer(page.read_text())]


def _anchors(page):
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(page):
    """The words of every `avsync VERB ...` of a page, in blocks and in the text."""
    lines = [line for block in _blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`(avsync [^`]+)`", _prose(page))
    return [line.split() for line in (*lines, *inline) if re.match(r"avsync [a-z-]+", line)]


def _options(words):
    """The options of the verb that words begin with."""
    import typer

    from avsync.cli import command_line

    command = typer.main.get_command(command_line)
    for word in words:
        if not hasattr(command, "commands") or word not in command.commands:
            break
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts}


def _imports():
    """For every module of avsync (a folder, or a file beside them), the others that it imports."""
    package, found = ROOT / "avsync", {}
    for file in package.rglob("*.py"):
        name = file.relative_to(package).parts[0].removesuffix(".py")
        if name.startswith("__"):
            continue
        targets = found.setdefault(name, set())
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            targets |= {n.split(".")[1] for n in names if n.startswith("avsync.")} - {name}
    return found
