"""Hooks: functions of an embedding program that are called at events. They change and delay nothing.

hooks = lanes.Hooks(before_run=told, after_run=told, notice=pass_on, timeout_s=5)
async with lanes.connect("lanes.db") as desk, lanes.Gateway(desk, runner, hooks=hooks):
    ...
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lanes.base import arguments
from lanes.base.errors import Unfit
from lanes.config import Config
from lanes.records import Event
from lanes.runners.base import RunContext
from lanes.runners.python import load
from lanes_storage.law import Edge, MessageState

#: How long a call of a hook may take unless the program says otherwise.
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run that no longer holds its lane.

    ``edge`` and ``message_state`` say how it ended; both are None if the lane was taken from it (by a limit or a forced
    abort): then read the message.
    """

    run: RunContext
    edge: Edge | None = None
    message_state: MessageState | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a gateway. Each is an ``async def`` with one argument; its result or exception has no effect.

    ``before_run`` is called when a run has claimed its lane, ``after_run`` when the run has released it, ``notice`` for
    each notice event of the database. A call that takes longer than ``timeout_s`` seconds is cancelled and counted.
    """

    before_run: Callable[[RunContext], Awaitable[Any]] | None = None
    after_run: Callable[[RunEnded], Awaitable[Any]] | None = None
    notice: Callable[[Event], Awaitable[Any]] | None = None
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        """Raises Unfit."""
        arguments.span_ms(self.timeout_s, "timeout_s")
        for name in ("before_run", "after_run", "notice"):
            if (hook := getattr(self, name)) is not None and not callable(hook):
                raise Unfit(f"{name} must be an async function, not {type(hook).__name__}")


def configured_hooks(config: Config) -> Hooks:
    """The hooks that ``[hooks]`` names. Raises ConfigError if a target cannot be loaded."""
    folder = config.source.parent if config.source else Path.cwd()
    named = config.hooks

    def loaded(name: str, target: str | None) -> Any:
        return None if target is None else load(target, folder, role=f"hooks.{name}")

    return Hooks(
        before_run=loaded("before_run", named.before_run),
        after_run=loaded("after_run", named.after_run),
        notice=loaded("notice", named.notice),
        timeout_s=named.timeout_ms / 1000,
    )
