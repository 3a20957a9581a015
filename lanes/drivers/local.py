"""The driver of a database file, for a blocking command."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from lanes.context import Context
from lanes.errors import LanesError
from lanes.procedure import Effect, Nap, Procedure, Read, Tell, Write, looks, run
from lanes.verbs.verb import Verb
from lanes_storage.interface import Store

T = TypeVar("T")

#: How often the database is asked whether it changed while a command watches it.
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
        return verb.out.made(self.perform(verb.of(self.ctx, params)), self.ctx.now())

    def perform(self, effect: Effect[T]) -> T:
        """Carry out an effect. Raises the error that it gives."""
        return run(self.store, effect, self.ctx.clock, self._sleep)

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        effects = [verb.of(self.ctx, each) for each in params]
        for place, result in self.together(effects):
            yield place, result if isinstance(result, LanesError) else verb.out.made(result, self.ctx.now())

    def together(self, effects: Sequence[Effect[T]]) -> Iterator[tuple[int, T | LanesError]]:
        """Each is brought to its first pause before any is waited for. Raises StorageError, which ends them all."""
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
                    end = self._advance(procedure)
                    if isinstance(end, Nap):
                        waiting[place] = _Waiting(procedure, self.ctx.now().mono + end.seconds * 1000)
                    else:
                        del waiting[place]
                        yield place, end.result
                if waiting:
                    self._sleep(next(pauses))
                if version != (version := self.store.version()):
                    waiting = {place: each._replace(due=0.0) for place, each in waiting.items()}
                    pauses = looks()
        finally:
            for each in waiting.values():
                each.procedure.close()

    def _advance(self, procedure: Procedure[Any]) -> "Nap | _Done":
        """Bring one to its next pause, or to its end."""
        answer: Any = None
        try:
            while True:
                match procedure.send(answer):
                    case Write(step):
                        answer = self.store.write(step)
                    case Read(query):
                        answer = self.store.read(query)
                    case Tell():
                        answer = self.ctx.now()
                    case Nap() as pause:
                        return pause
        except StopIteration as end:
            return _Done(end.value)
        except LanesError as error:
            return _Done(error)

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


class _Done(NamedTuple):
    """What a procedure came to: its result, or the expected error that it raised."""

    result: Any
