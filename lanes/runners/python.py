"""The Python runner: a function of the user's, named ``module:function``."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, cast

from lanes.base.errors import ConfigError
from lanes.runners.base import Runner


def load(target: str, folder: Path | None = None, *, what: str = "runner target") -> Runner:
    """The async function, or object with an async ``__call__``, that ``module:function`` names.

    Modules are looked for as Python does, and then in ``folder`` (where the configuration file is); ``what`` is
    what errors call it. Raises ConfigError, which says what is missing: the module, the function, ``async``, or
    the one argument.
    """
    module_name, _, path = target.partition(":")
    label = f"{what} {target}"
    if folder is not None and str(folder) not in sys.path:
        # Last, so that a file beside the configuration never stands in for an installed module.
        sys.path.append(str(folder))
    module = _imported(module_name, label, folder)
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    where = getattr(module, "__file__", None) or "built in"
    if found is None or not path:
        raise ConfigError(f"{label}: {module_name} ({where}) has no {path or 'function named'}")
    if not callable(found):
        raise ConfigError(f"{label}: {path} ({where}) is no function")
    if not _is_async(found):
        raise ConfigError(f"{label}: {path} ({where}) is not async; write `async def`")
    _check_signature(found, label)
    return cast("Runner", found)


def _imported(name: str, label: str, folder: Path | None) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            beside = f" nor in {folder}" if folder else ""
            raise ConfigError(f"{label}: no module {error.name} is installed{beside}") from error
        raise ConfigError(f"{label}: importing {name} failed: {error}") from error
    except Exception as error:  # whatever a module of the user's does when it is imported
        sentence = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{label}: importing {name} failed: {sentence}") from error


def _is_async(found: Any) -> bool:
    if inspect.isclass(found):
        return False  # calling it makes an object and runs nothing
    return inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__)


def _check_signature(found: Any, label: str) -> None:
    try:
        inspect.signature(found).bind(None)
    except TypeError as error:
        raise ConfigError(f"{label}: it must take one argument ({error})") from error
    except ValueError:
        return  # no signature to be had, of a compiled function say: the first run will tell
