"""The floors of the library: imports go down, packages on one floor do not know each other, nothing is deferred."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.import_graph import ROOT, Import, imports, modules, package_of, path_of, tree

FLOORS = {
    "api": 9,
    "cli": 8,
    "crowd": 7,
    "training": 7,
    "evaluation": 6,
    "results": 6,
    "algorithms": 5,
    "envs": 4,
    "rollouts": 4,
    "policies": 3,
    "rewards": 3,
    "tasks": 3,
    "data_pools": 2,
    "tokenization": 2,
    "metrics": 2,
    "numerics": 1,
    "config": 1,
    "tracking": 1,
    "core": 0,
}
DISPATCHERS = {"rl4lms", "rl4lms.core.registry", "rl4lms.cli.main"}  # load modules by a name from a table
ENVIRONMENTS = {"env", "vec_env"}  # what lives in envs/text_generation; its other modules are published faces


def all_imports() -> list[Import]:
    return [each for module in modules() for each in imports(module)]


def test_every_package_has_a_floor() -> None:
    packages = {path.name for path in (ROOT / "rl4lms").iterdir() if (path / "__init__.py").exists()}
    assert packages == set(FLOORS)


def test_imports_point_down() -> None:
    wrong = []
    for each in all_imports():
        upper, lower = package_of(each.importer), package_of(each.imported)
        if upper and lower and upper != lower and FLOORS[lower] >= FLOORS[upper]:
            wrong.append(f"{each} (floor {FLOORS[upper]} to floor {FLOORS[lower]})")
    assert not wrong, "\n".join(wrong)


def test_no_first_party_import_is_deferred() -> None:
    deferred = [str(each) for each in all_imports() if each.deferred]
    assert not deferred, "\n".join(deferred)


def test_only_registries_and_the_command_line_import_by_name() -> None:
    """`import_module` elsewhere would be a deferred import in disguise; third-party packages may be loaded so."""
    found = []
    for module in modules().keys() - DISPATCHERS:
        for node in ast.walk(tree(module)):
            named = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
            if named and "rl4lms" in ast.unparse(node):
                found.append(f"{path_of(module)}:{node.lineno}")
    assert not found


def test_modules_import_each_other_in_no_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for each in imports(module):
                visit(each.imported, (*path, module))
            done.add(module)

    for module in modules():
        visit(module, ())


def test_published_faces_only_pass_on() -> None:
    """Imports, names, and functions of one statement; what they stand for lives on its own floor."""
    prefix = "rl4lms.envs.text_generation"
    for module in modules():
        if module.startswith(prefix) and module.rpartition(".")[2] not in ENVIRONMENTS:
            for node in tree(module).body:
                assert _passes_on(node), f"{path_of(module)}:{node.lineno}"


def _passes_on(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        statements = [each for each in node.body if not _is_docstring(each)]
        return len(statements) == 1 and isinstance(statements[0], ast.Return)
    alias = isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
    names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return alias or names or _is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("rl4lms.config.stages", ["torch", "transformers", "datasets", "numpy", "nltk", "pandas"]),
        ("rl4lms.cli.main", ["torch", "transformers", "datasets", "numpy", "nltk", "pandas"]),
        ("rl4lms.cli.prepare", ["torch", "transformers", "datasets", "nltk", "pandas"]),
        ("rl4lms.cli.aggregate", ["torch", "transformers", "datasets", "nltk"]),
        ("rl4lms.core.tables", ["torch", "transformers", "datasets", "numpy", "nltk", "pandas"]),
    ],
)
def test_a_light_module_pays_for_no_heavy_import(module: str, unwanted: list[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules.keys() & set({unwanted!r}))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


# Names that several modules define on purpose, and why.
SHARED_NAMES = {
    "add_arguments": "a hook of every stage's command",
    "run": "a hook of every stage's command",
    "configure": "the configuration of a stage's run, in the module of the stage's command",
    "build_parser": "the options of the command line, and of the published training script",
    "main": "the entry points of the command line, and of the published training script",
    "rows": "the hook of every generator",
    "wrap_onpolicy_alg": "the published import path of the function with this name",
}
# To be mended: two things of one name. Nothing may be added here.
DOUBLED_NAMES = {"Column", "Comparison", "Sample", "check_run", "source_of", "summary"}


def test_no_two_public_things_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for module in modules():
        for node in tree(module).body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if is_public and "overload" not in map(ast.unparse, node.decorator_list):
                places.setdefault(node.name, []).append(f"{path_of(module)}:{node.lineno}")
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    assert doubled.keys() <= SHARED_NAMES.keys() | DOUBLED_NAMES, doubled
    assert doubled.keys() >= SHARED_NAMES.keys(), "a name that is shared no more"
