"""The driver of a database file, for a blocking command."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from lanes.base.errors import LanesError
from lanes.base.procedure import Effect, Procedure, looks, run, to_next_wait
from lanes.context import Context
from lanes.verbs.verb import Verb
from lanes_storage.interface import Store

T = TypeVar("T")

#: The interval of checks for changes while a command watches the database.
LOOK_EVERY_S = 0.05


class LocalDriver:
    """Implements ``Driver``."""

    def __init__(self, store: Store, ctx: Context, sleep: Callable[[float], None] = time.sleep) -> None:
        self.store = store
        self.ctx = ctx
        self._sleep = sleep
        self._version: int | None = None

    @property
    def name(self) -> str:
        return self.store.name

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        return verb.result.made(self.perform(verb.of(self.ctx, params)), self.ctx.clock)

    def perform(self, effect: Effect[T]) -> T:
        """Run an effect. Raises the error that it returns."""
        return run(self.store, effect, self.ctx.clock, self._sleep)

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        effects = [verb.of(self.ctx, each) for each in params]
        for place, result in self.together(effects):
            yield place, result if isinstance(result, LanesError) else verb.result.made(result, self.ctx.clock)

    def together(self, effects: Sequence[Effect[T]]) -> Iterator[tuple[int, T | LanesError]]:
        """Start every effect and run it to its first wait, then wait for all. A StorageError stops the whole batch."""
        waiting: dict[int, _Waiting] = {}
        version, pauses = self.store.version(), looks()
        try:
            for place, effect in enumerate(effects):
                if isinstance(effect, Generator):
                    waiting[place] = _Waiting(effect, 0.0)
                    continue
                try:
                    yield place, self.perform(effect)
                except LanesError as error:
                    yield place, error
            while waiting:
                for place, (procedure, due) in list(waiting.items()):
                    if due > self.ctx.now().mono:
                        continue
                    try:
                        wait = to_next_wait(self.store, procedure)
                    except StopIteration as end:
                        del waiting[place]
                        yield place, end.value
                    except LanesError as error:
                        del waiting[place]
                        yield place, error
                    else:
                        waiting[place] = _Waiting(procedure, self.ctx.now().mono + wait.seconds * 1000)
                if waiting:
                    self._sleep(next(pauses))
                if version != (version := self.store.version()):
                    waiting = {place: each._replace(due=0.0) for place, each in waiting.items()}
                    pauses = looks()
        finally:
            for each in waiting.values():
                each.procedure.close()

    def changed(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (version := self.store.version()) == self._version and (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_S, left))
        before, self._version = self._version, version
        return version != before

    def close(self) -> None:
        self.store.close()


class _Waiting(NamedTuple):
    procedure: Procedure[Any]
    due: float
