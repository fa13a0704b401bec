"""The package keeps its layers: imports between folders form no circle, and no package hides one of its modules."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avsync"


def parsed(root):
    """The syntax tree of every module, and its dotted name."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        yield ast.parse(path.read_text()), parts[:-1] if parts[-1] == "__init__" else parts, path


def imported(tree, module, is_package):
    """Dotted names of everything a module imports, anywhere in it: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module[: len(module) - node.level + is_package] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def folder_graph(root):
    """The folders and top-level modules below `root`, each with those it imports; the root itself is one too."""
    known = {path.stem if path.suffix else path.name for path in root.iterdir()}
    graph = defaultdict(set)
    for tree, module, path in parsed(root):
        here = ".".join(module[:2])
        graph[here] |= set()
        for name in imported(tree, module, path.name == "__init__.py"):
            top, *rest = name.split(".")
            if top == root.name:
                there = f"{top}.{rest[0]}" if rest and rest[0] in known else top
                graph[here] |= {there} - {here}
    return dict(graph)


def circle(graph):
    """A path through the graph that ends where it starts; None if there is none."""
    finished, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return None
        path.append(node)
        found = next(filter(None, map(visit, sorted(graph.get(node, ())))), None)
        path.pop()
        finished.add(node)
        return found

    return next(filter(None, map(visit, sorted(graph))), None)


def shadowed(root):
    """Names that a package's `__init__` binds to something else than the submodule of that name."""
    for tree, module, path in parsed(root):
        if path.name != "__init__.py":
            continue
        package = ".".join(module)
        submodules = {p.stem if p.suffix else p.name for p in path.parent.iterdir() if p.suffix == ".py" or p.is_dir()}
        bound = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound[node.name] = package
            elif isinstance(node, ast.Assign):
                bound |= {target.id: package for target in node.targets if isinstance(target, ast.Name)}
        yield from (
            f"{package}.{name}"
            for name, origin in bound.items()
            if name in submodules and origin != f"{package}.{name}"
        )


def test_imports_between_folders_form_no_circle():
    found = circle(folder_graph(PACKAGE))
    assert found is None, " -> ".join(found)


def test_no_package_attribute_shadows_a_submodule():
    assert list(shadowed(PACKAGE)) == []


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("media", {"errors", "files"}),
        ("speech", {"media", "errors"}),
        ("checkpoint", {"errors", "files"}),
        ("weights", {"errors", "files"}),
        ("align", {"checkpoint", "face", "speech", "media", "config", "datasets", "errors", "files"}),
        ("encoders", {"align", "checkpoint", "weights", "clip", "face", "speech", "media", "errors", "files"}),
        ("config", set()),
    ],
)
def test_a_lower_layer_imports_only_layers_below_it(folder, allowed):
    assert folder_graph(PACKAGE)[f"avsync.{folder}"] <= {f"avsync.{name}" for name in allowed}


class TestTheChecksThemselves:
    @pytest.fixture
    def package(self, tmp_path):
        """Writes a package `p` from the text of its files."""

        def write(**files):
            for name, text in files.items():
                path = tmp_path / "p" / f"{name.replace('__', '/')}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                (path.parent / "__init__.py").touch()
            return tmp_path / "p"

        return write

    @pytest.mark.parametrize(
        "text",
        [
            "from p.a import x",
            "import p.a.m",
            "from p import a",
            "from ..a import x",
            "def f():\n    from p.a import x",
            "if TYPE_CHECKING:\n    from p.a import x",
        ],
    )
    def test_a_circle_is_found_however_it_is_imported(self, package, text):
        graph = folder_graph(package(a__m="from p.b.m import y", b__m=text))
        assert circle(graph) == ["p.a", "p.b", "p.a"]

    def test_imports_in_one_direction_are_no_circle(self, package):
        root = package(
            a__m="from p.b.m import y\nfrom p.a.n import z", a__n="", b__m="import numpy", top="import p.a.m"
        )
        assert circle(folder_graph(root)) is None

    @pytest.mark.parametrize("text", ["from p.a.m import m", "def m(): ...", "m = 1", "from p.b import n as m"])
    def test_a_hidden_submodule_is_found(self, package, text):
        root = package(a__m="def m(): ...")
        (root / "a" / "__init__.py").write_text(text)
        assert list(shadowed(root)) == ["p.a.m"]

    def test_a_submodule_may_be_exported_as_itself(self, package):
        root = package(a__m="")
        (root / "a" / "__init__.py").write_text("from p.a import m")
        assert list(shadowed(root)) == []
