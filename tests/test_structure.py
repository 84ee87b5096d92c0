"""The structure of the project: who imports whom, and how long a file may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# A package may import itself and those before it.
PACKAGES = ("cuda_ops", "stylegan", "pulse", "benchmarks", "tests")
MOST_LINES = 400


def _modules(*folders: str) -> dict[str, Path]:
    """The modules in the folders by their dotted names."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def _imports(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the project that a file imports, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            # `from package import module` names a module, `from module import function` does not.
            known = name if name in modules else name.rpartition(".")[0]
            if known in modules:
                yield known


def test_no_package_imports_one_above_it() -> None:
    modules = _modules(*PACKAGES)
    for name, path in modules.items():
        level = PACKAGES.index(name.split(".")[0])
        for other in _imports(path, modules):
            above = PACKAGES.index(other.split(".")[0])
            # A benchmark may take its inputs from the tests.
            borrows = name.startswith("benchmarks.") and other.startswith("tests.")
            assert above <= level or borrows, f"{name} imports {other}"


def test_there_is_no_import_cycle() -> None:
    modules = _modules(*PACKAGES[:-1])
    imports = {name: set(_imports(path, modules)) - {name} for name, path in modules.items()}
    # A package's front page collects names from modules that may import the package's other modules.
    for name, path in modules.items():
        if path.name == "__init__.py":
            imports[name] = set()
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in finished:
            for other in sorted(imports[name]):
                visit(other, (*trail, name))
            finished.add(name)

    for name in modules:
        visit(name, ())


def test_no_file_is_too_long() -> None:
    modules = _modules(*PACKAGES, "examples")
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules.items()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
