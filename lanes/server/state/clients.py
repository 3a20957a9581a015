"""The connections that wait for messages bound to them. Several may wait for one message by its idempotency key."""

from collections import Counter
from collections.abc import Callable

#: Unregisters a connection; returns whether no other one waits for the same message. Every later call returns False.
Leave = Callable[[], bool]


class Clients:
    """The waiting connections of one gateway, by idempotency key. Belongs to the event loop."""

    def __init__(self) -> None:
        self.waiting = 0
        self._by_name: Counter[tuple[str, str]] = Counter()

    def come(self, key: str, idempotency_key: str | None) -> Leave:
        """Register a connection that is about to send a message, or to find it by its idempotency key. Call this before
        the message is accepted, so that another connection that leaves meanwhile counts this one."""
        name = None if idempotency_key is None else (key, idempotency_key)
        here = True
        self.waiting += 1
        if name is not None:
            self._by_name[name] += 1

        def leave() -> bool:
            nonlocal here
            if not here:
                return False
            here = False
            self.waiting -= 1
            if name is None:
                return True
            self._by_name[name] -= 1
            if self._by_name[name]:
                return False
            del self._by_name[name]
            return True

        return leave
