"""Lazy packages: a submodule is imported when one of its names is first used, because a command needs few of them.

A gateway imports them ``whole`` at its start: releasing a lane must not depend on a free file descriptor, nor load the
modules of another version when lanes has been upgraded meanwhile.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

_TABLES: dict[str, Mapping[str, str]] = {}


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package. ``homes``: the names that each module offers, separated by spaces; a module of
    the package itself begins with a dot."""
    _TABLES[package] = homes
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(home_of[name], package), name)
        except AttributeError as error:  # Python would say that the package has no such name
            raise ImportError(f"importing {home_of[name]} failed: {error}") from error
        setattr(sys.modules[package], name, value)  # from now on it is found without this function
        return value

    return load


def whole(*packages: ModuleType) -> None:
    """Import every submodule of these lazy packages."""
    for package in packages:
        for names in _TABLES[package.__name__].values():
            for name in names.split():
                getattr(package, name)
