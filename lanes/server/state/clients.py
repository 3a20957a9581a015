"""The connections that wait for messages which belong to them. Several may wait for one, by one idempotency key."""

from collections import Counter


class Clients:
    """The connections of one gateway, by the name that the sender gave the message. Belongs to the event loop."""

    def __init__(self) -> None:
        self.waiting = 0
        self._by_name: Counter[tuple[str, str]] = Counter()

    def come(self, key: str, idempotency_key: str | None) -> "Client":
        """A connection is about to hand in a message, or to find it by its name."""
        self.waiting += 1
        if idempotency_key is None:
            return Client(self, None)
        self._by_name[key, idempotency_key] += 1
        return Client(self, (key, idempotency_key))

    def leave(self, name: tuple[str, str] | None) -> bool:
        """One of them waits no longer; whether nobody else waits for that message."""
        self.waiting -= 1
        if name is None:
            return True
        self._by_name[name] -= 1
        if self._by_name[name]:
            return False
        del self._by_name[name]
        return True


class Client:
    """One of them. It counts from before its message is accepted, so that nobody who leaves can miss it."""

    def __init__(self, clients: Clients, name: tuple[str, str] | None) -> None:
        self._clients = clients
        self._name = name
        self._here = True

    def leave(self) -> bool:
        """It waits no longer; whether nobody else waits for the same message. May be called twice, and then false."""
        if not self._here:
            return False
        self._here = False
        return self._clients.leave(self._name)
