"""The interface of blocking drivers, which commands use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lanes.base.errors import LanesError
from lanes.verbs.verb import Verb


class Driver(Protocol):
    """Runs verbs on one database: a local file, or that of a remote gateway. Raises LanesError and StorageError.

    ``noted`` is called with each verb that was run, and its parameters.
    """

    noted: Callable[[Verb[..., Any], Mapping[str, Any]], object]

    @property
    def name(self) -> str:
        """The name of the database or gateway, for people."""
        ...

    @property
    def watches(self) -> bool:
        """Whether lanes of other programs' gateways may be listed here; cheap to ask."""
        ...

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """Run a verb; returns its record."""
        ...

    def advise(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """The record of a reading verb, for additional advice; None if it cannot be read soon. Raises nothing."""
        ...

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        """Run a verb once for each of ``params``; if it waits, the waits overlap.

        Yields the index and the record, or the expected error, of each as it ends.
        """
        ...

    def changed(self, seconds: float) -> bool:
        """Wait, at most this long, until any process has recorded something since the last call; returns whether."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...
