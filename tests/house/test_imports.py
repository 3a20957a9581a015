"""Imports run one way, and in no circle."""

from tests.house.modules import PACKAGES, graph

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
    ends = {"lanes.__main__", "lanes.testing.__main__", "lanes_tui.command"}
    wrong = {
        module: commands
        for module, imports in graph().items()
        if not module.startswith("lanes.commands")
        and module not in ends
        and (commands := [each for each in imports if each.startswith("lanes.commands")])
    }
    assert not wrong


def test_there_is_no_circle() -> None:
    left = graph()
    # `lanes` itself only names what others define, for type checkers; nothing of ours may import it.
    while free := {module for module, imports in left.items() if not imports & left.keys()}:
        left = {module: imports for module, imports in left.items() if module not in free}
    assert not left, f"these modules import each other: {sorted(left)}"


def test_the_check_sees_a_circle() -> None:
    """The reading of imports is not blind: known ones are found."""
    found = graph()
    assert "lanes_storage.law" in found["lanes_storage.records.given"]
    assert "lanes_storage.sqlite.aio" in found["lanes_storage.opening"], "imports inside functions count"
    assert "lanes.desk" in found["lanes"], "type-only imports count"
