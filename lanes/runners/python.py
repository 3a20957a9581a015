"""The Python runner: a function of the user's, named ``module:function``."""

import asyncio
import contextlib
import importlib
import inspect
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any, NamedTuple, cast

from lanes.base.errors import ConfigError, Unfit
from lanes.runners.base import Reply, RunContext, Runner
from lanes_storage.threads import to_its_end


def load(target: str, folder: Path | None = None, *, role: str = "runner target", threads: bool = False) -> Runner:
    """The async function, or object with an async ``__call__``, that ``module:function`` names. ``threads``: also
    accept a plain function, which then runs in a separate thread for each run.

    Modules are looked for as Python does, and then in ``folder`` (where the configuration file is); ``role`` is
    what errors call it. Raises ConfigError, which says what is missing: the module, the function, ``async``, or
    the one argument.
    """
    module_name, _, path = target.partition(":")
    label = f"{role} {target}"
    if folder is not None and str(folder) not in sys.path:
        # Last, so that a file beside the configuration never stands in for an installed module.
        sys.path.append(str(folder))
    module = _imported(module_name, label, folder)
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    file = getattr(module, "__file__", None) or "built in"
    if found is None or not path:
        raise ConfigError(f"{label}: {module_name} ({file}) has no {path or 'function named'}")
    if not callable(found):
        raise ConfigError(f"{label}: {path} ({file}) is not a function")
    plain = not _is_async(found)
    if plain and (not threads or inspect.isclass(found)):
        raise ConfigError(f"{label}: {path} ({file}) is not async; write `async def`")
    _check_signature(found, label)
    return ThreadRunner(found) if plain else cast("Runner", found)


class _Outcome(NamedTuple):
    """How the function of a run ended."""

    result: str | Reply
    error: BaseException | None


class ThreadRunner:
    """A plain function as a runner: each run has a separate thread, so that a function that hangs delays no other run.

    A thread cannot be cancelled. So the run ends when its function returns, even after it was told to stop; if that is
    too late, its lane is released by force, and the thread keeps a slot of the runner until it ends.
    """

    def __init__(self, function: Callable[[RunContext], str | Reply]) -> None:
        """Raises Unfit."""
        if not callable(function) or _is_async(function):
            raise Unfit("a ThreadRunner takes a plain function; an async one is a runner by itself")
        self._function = function

    async def __call__(self, run: RunContext) -> str | Reply:
        """Run one message. Raises whatever the function does."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Outcome] = loop.create_future()
        context = copy_context()

        def work() -> None:
            try:
                outcome = _Outcome(context.run(self._function, run), None)
            except BaseException as error:  # as a result: a future cannot hold every exception
                outcome = _Outcome("", error)
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(done.set_result, outcome)

        threading.Thread(target=work, name=f"lanes-runner-{run.id}", daemon=True).start()
        outcome = await to_its_end(done)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result


def _imported(name: str, label: str, folder: Path | None) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            beside = f" nor in {folder}" if folder else ""
            raise ConfigError(f"{label}: no module {error.name} is installed{beside}") from error
        raise ConfigError(f"{label}: importing {name} failed: {error}") from error
    except (Exception, SystemExit) as error:  # the module of a user may raise anything while it is imported
        sentence = f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):
            sentence = 'it ends the program; allow that only under `if __name__ == "__main__":`'
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
        return  # the signature is unknown, as of a compiled function: the first run will show it
