"""The driver of a database file, for a blocking command."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from lanes.base.errors import LanesError
from lanes.base.procedure import Effect, run, run_each, wait_since
from lanes.context import Context
from lanes.verbs.verb import Verb
from lanes_storage import reads
from lanes_storage.errors import StorageError
from lanes_storage.interface import Store

T = TypeVar("T")


class LocalDriver:
    """Implements ``Driver``."""

    def __init__(self, store: Store, ctx: Context) -> None:
        self.store, self.name = store, store.name
        self.ctx = ctx
        self.noted: Callable[[Verb[..., Any], Mapping[str, Any]], object] = lambda *_: None
        self._version: int | None = None

    @property
    def watches(self) -> bool:
        return bool(self.store.read(reads.sources()))

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        record = self.perform(verb.of(self.ctx, params))
        self.noted(verb, params)
        return record

    def advise(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        with contextlib.suppress(LanesError, StorageError):
            return self.call(verb, **params)
        return None

    def perform(self, effect: Effect[T]) -> T:
        """Run an effect. Raises the error that it returns."""
        return run(self.store, effect, self.ctx.clock)

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        for place, result in run_each(self.store, [verb.of(self.ctx, each) for each in params], self.ctx.clock):
            self.noted(verb, params[place])
            yield place, result

    def changed(self, seconds: float) -> bool:
        wait_since(self.store, self._version, seconds, self.ctx.clock)
        before, self._version = self._version, self.store.version()
        return self._version != before

    def close(self) -> None:
        self.store.close()
