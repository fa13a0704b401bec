"""What is built for users: a source distribution that can be tested, and a wheel with the whole package and no more.

`.ci/wheel` runs the demo from the wheel, in an environment with what the wheel requires.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

import avsync

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# All that is built from; what else lies in a checkout, such as data and environments, is not looked at.
SOURCES = (".ci", "avsync", "checkpoints", "configs", "docs", "scripts", "tests")
_WASTE = ("__pycache__", "*.pyc")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with both distributions. The wheel is made from the source distribution, so that has all it needs."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns(*_WASTE))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    # Without isolation: the build uses setuptools as it is installed, and needs no network.
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    with ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def _files(folder):
    """The files below a folder of the checkout, as they are named in a distribution."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    names = set(wheel.namelist())
    described = {name for name in names if name.startswith(f"avsync-{PROJECT['version']}.dist-info/")}
    assert names - described == _files(ROOT / "avsync")


def test_the_wheel_holds_the_weights_the_licence_and_the_mark_of_types(wheel):
    names = set(wheel.namelist())
    assert {"avsync/assets/default.safetensors", "avsync/assets/voice.safetensors", "avsync/py.typed"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_what_its_tests_need(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for folder in SOURCES:
        assert _files(ROOT / folder) <= names, folder
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md"} <= names


def test_the_wheel_says_what_it_is(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("avsync", PROJECT["version"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert metadata.get_payload().startswith("# avsync")


def test_the_wheel_installs_one_command(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert wheel.read(name).decode().split() == ["[console_scripts]", "avsync", "=", "avsync.cli:main"]


def test_the_oldest_python_is_one_of_the_classifiers():
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in PROJECT["classifiers"]


def test_one_version_is_written_everywhere():
    changes = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[1] == cited[1] == PROJECT["version"]


def test_python_tells_the_version_without_importing_anything_heavy():
    assert avsync.__version__ == version("avsync")
    code = "import sys, avsync; avsync.__version__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "typer"} & set(loaded)
