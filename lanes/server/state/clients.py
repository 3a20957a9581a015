"""The connections that wait for messages bound to them. Several may wait for one message by its idempotency key."""

from collections import Counter


class Clients:
    """The waiting connections of one gateway, by idempotency key. Belongs to the event loop."""

    def __init__(self) -> None:
        self.waiting = 0
        self._by_name: Counter[tuple[str, str]] = Counter()

    def come(self, key: str, idempotency_key: str | None) -> "Client":
        """A connection is about to send a message, or to find it by its idempotency key."""
        self.waiting += 1
        if idempotency_key is None:
            return Client(self, None)
        self._by_name[key, idempotency_key] += 1
        return Client(self, (key, idempotency_key))

    def leave(self, name: tuple[str, str] | None) -> bool:
        """A connection no longer waits; returns whether no other one waits for that message."""
        self.waiting -= 1
        if name is None:
            return True
        self._by_name[name] -= 1
        if self._by_name[name]:
            return False
        del self._by_name[name]
        return True


class Client:
    """One connection. It is counted before its message is accepted, so that another one that leaves sees it."""

    def __init__(self, clients: Clients, name: tuple[str, str] | None) -> None:
        self._clients = clients
        self._name = name
        self._here = True

    def leave(self) -> bool:
        """It no longer waits; returns whether no other one waits for the same message. A second call returns False."""
        if not self._here:
            return False
        self._here = False
        return self._clients.leave(self._name)
