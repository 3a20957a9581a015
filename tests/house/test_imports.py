"""Imports run one way and in no circle; no folder is too full, and no class name stands for two things."""

import ast
from collections import Counter

from tests.house.modules import PACKAGES, graph, modules

GROUND_UP = list(PACKAGES)


def test_imports_run_one_way() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imports in graph().items()
        for imported in imports
        if GROUND_UP.index(imported.split(".")[0]) > GROUND_UP.index(module.split(".")[0])
    ]
    assert not wrong


def test_only_the_command_line_imports_the_command_line() -> None:
    ends = {"lanes.__main__", "lanes.testing.__main__", "lanes_tui.command", "lanes_tui.web.command"}
    wrong = {
        module: commands
        for module, imports in graph().items()
        if not module.startswith("lanes.commands")
        and module not in ends
        and (commands := [each for each in imports if each.startswith("lanes.commands")])
    }
    assert not wrong


def test_there_is_no_circle() -> None:
    left = dict(graph())
    # `lanes` itself only names what others define, for type checkers; nothing of ours may import it.
    while free := {module for module, imports in left.items() if not imports & left.keys()}:
        left = {module: imports for module, imports in left.items() if module not in free}
    assert not left, f"these modules import each other: {sorted(left)}"


def test_folders_import_each_other_in_no_circle() -> None:
    """Between folders that stand beside each other; a package may import what lies in it, and the other way round."""
    left: dict[str, set[str]] = {}
    for module, imports in graph().items():
        here = _folder(module)
        others = {there for imported in imports if not _one_in_the_other(here, there := _folder(imported))}
        left.setdefault(here, set()).update(others)
    while free := {folder for folder, imports in left.items() if not imports & left.keys()}:
        left = {folder: imports for folder, imports in left.items() if folder not in free}
    assert not left, f"these folders import each other: {sorted(left)}"


def test_no_folder_is_too_full() -> None:
    files = Counter(str(path.parent) for path in modules().values())
    assert not {folder: count for folder, count in files.items() if count > 12}


def test_a_class_name_stands_for_one_thing() -> None:
    named = Counter(
        node.name
        for path in modules().values()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    assert not {name for name, count in named.items() if count > 1}


def _folder(module: str) -> str:
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]


def _one_in_the_other(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def test_the_check_sees_a_circle() -> None:
    """The reading of imports is not blind: known ones are found."""
    found = graph()
    assert "lanes_storage.law" in found["lanes_storage.records.arguments"]
    assert "lanes_storage.sqlite.aio" in found["lanes_storage.opening"], "imports inside functions count"
    assert "lanes.desk" in found["lanes"], "type-only imports count"
