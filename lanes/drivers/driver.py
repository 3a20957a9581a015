"""The interface of blocking drivers, which commands use."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from lanes.base.errors import LanesError
from lanes.verbs.verb import Verb


class Driver(Protocol):
    """One database, here or at a gateway elsewhere. Raises LanesError and StorageError."""

    @property
    def name(self) -> str:
        """What is acted on, as people name it."""
        ...

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """The record of what came of a verb."""
        ...

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        """Call it once for each of ``params``, all at the same time where it waits.

        Yields the place and the record of each as it ends; an expected error is one.
        """
        ...

    def changed(self, seconds: float) -> bool:
        """Wait until something was recorded since the last call, by anybody, at most so long; whether it was."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...
