"""The imports of our own packages, read from the source: what the house tests judge."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Package and the folder that holds it, from the ground up.
PACKAGES = {"lanes_storage": ROOT / "storage", "lanes": ROOT, "lanes_tui": ROOT / "tui"}


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports anywhere in it, also inside functions and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in known else str(node.module))
    return {name for name in found if name in known}


@cache
def graph() -> dict[str, set[str]]:
    """Every module of ours with the modules of ours that it imports."""
    known = modules()
    return {name: imports_of(path, known) - {name} for name, path in known.items()}
