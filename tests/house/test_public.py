"""Whoever embeds lanes can name every type that they meet: what stands in a public signature is exported."""

import ast
import enum
import inspect
import sys
import types
import typing
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import lanes

#: Packages whose ``__all__`` is a promise, and those whose every signature is looked at.
PUBLIC = ("lanes", "lanes.config", "lanes.testing", "lanes_storage")
WALKED = ("lanes", "lanes.testing")
#: Classes that lanes makes and nobody else: their constructors are their own affair.
MADE_BY_LANES = {"Desk", "Listener", "Config", "TimedGateway", "History"}
#: Doors of the surfaces that lanes itself ships.
INTERNAL = {"Desk.perform", "Desk.context", "Desk.call", "Desk.call_each"}
#: How lanes makes records, and describes them.
OF_RECORDS = {"of", "fields"}
#: Underscored methods whose types a caller meets all the same.
CALLED = {"__init__", "__call__", "__aiter__", "__anext__", "__aenter__", "__enter__"}


def exported() -> dict[int, str]:
    """What is exported, by identity, with its name."""
    found: dict[int, str] = {}
    for package in reversed(PUBLIC):
        module = import_module(package)
        found |= {id(getattr(module, name)): name for name in module.__all__}
    return found


def signatures(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """A function, or the public methods and fields of a class, its bases' too."""
    if inspect.isfunction(thing):
        yield name, thing
    if not inspect.isclass(thing) or issubclass(thing, enum.Enum):
        return
    yield name, thing
    for base in (base for base in thing.__mro__ if base.__module__.startswith("lanes")):
        for member, value in vars(base).items():
            hidden = member.startswith("_") and member not in CALLED
            made = issubclass(thing, lanes.Record) and member in OF_RECORDS
            if hidden or made or (member == "__init__" and name in MADE_BY_LANES):
                continue
            if isinstance(value, property) and inspect.isfunction(value.fget):
                yield f"{name}.{member}", value.fget
            elif inspect.isfunction(value) or isinstance(value, classmethod | staticmethod):
                yield f"{name}.{member}", getattr(value, "__func__", value)


def hints(thing: Any) -> dict[str, Any]:
    """The types in a signature, those that are imported for a type checker only too."""
    bases = thing.__mro__ if inspect.isclass(thing) else [thing]
    names: dict[str, Any] = {}
    for module in {base.__module__ for base in bases if base.__module__.startswith("lanes")}:
        names |= _for_type_checkers(sys.modules[module])
    found = typing.get_type_hints(thing, localns=names)
    return {name: hint for name, hint in found.items() if not (inspect.isclass(thing) and name.startswith("_"))}


def _for_type_checkers(module: ModuleType) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), names)
    return {name: value for name, value in names.items() if name != "__builtins__"}


def named(hint: Any) -> Iterator[Any]:
    """The classes that a type is made of."""
    if isinstance(hint, list | tuple):
        for part in hint:
            yield from named(part)
    elif typing.get_origin(hint) is not None:
        yield from named((typing.get_origin(hint), *typing.get_args(hint)))
    elif isinstance(hint, type) and hint is not types.NoneType:
        yield hint


def missing() -> list[str]:
    public = exported()
    found = set()
    for package in WALKED:
        module = import_module(package)
        for name in module.__all__:
            for where, thing in signatures(name, getattr(module, name)):
                for part, hint in {} if where in INTERNAL else hints(thing).items():
                    found |= {
                        f"{package}.{where} ({part}): {each.__module__}.{each.__qualname__}"
                        for each in named(hint)
                        if each.__module__.startswith("lanes") and id(each) not in public
                    }
    return sorted(found)


def test_every_type_in_a_public_signature_is_exported() -> None:
    assert missing() == []


if __name__ == "__main__":
    sys.stdout.write("\n".join(missing()) + "\n")
