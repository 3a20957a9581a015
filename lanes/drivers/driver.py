"""The interface of blocking drivers, which commands use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lanes.base.errors import LanesError
from lanes.verbs.verb import Verb


class Driver(Protocol):
    """One database: a local file, or that of a remote gateway. Raises LanesError and StorageError.

    ``noted`` is called with each verb that was carried out, and its parameters.
    """

    noted: Callable[[Verb[..., Any], Mapping[str, Any]], object]

    @property
    def name(self) -> str:
        """The name of the database or gateway, for people."""
        ...

    @property
    def watches(self) -> bool:
        """Whether lanes of other programs may be listed here. Cheap."""
        ...

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """Run a verb; returns its record."""
        ...

    def advise(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        """The record of a verb that reads what is merely useful to know; None where that cannot be read, or not soon.
        It raises nothing."""
        ...

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        """Run a verb once for each of ``params``; if it waits, all wait at the same time.

        Yields the index and the record, or the expected error, of each as it ends.
        """
        ...

    def changed(self, seconds: float) -> bool:
        """Wait, at most this long, until any process has recorded something since the last call; returns whether."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...
