"""Heads whose claim raised (a policy that raises, say): each is left alone for a while and costs only itself."""

from lanes_storage.records import Head
from lanes_storage.saying import Log

log = Log("lanes.dispatcher")

#: How long a head is left alone whose claim raised: at first, and at most.
ASIDE_FIRST_MS = 1_000
ASIDE_LONGEST_MS = 60_000


class Aside:
    """Belongs to one dispatcher."""

    def __init__(self) -> None:
        self._until: dict[int, tuple[int, int]] = {}  # by message: until when (monotonic), and for how long it was
        self.in_hand: Head | None = None  # is being claimed just now

    def takes_up(self, head: Head, now_mono: int) -> bool:
        """Whether the head may be claimed now. What then raises is its own."""
        self.in_hand = head
        return head.message_id not in self._until or now_mono >= self._until[head.message_id][0]

    def put(self, now_mono: int) -> bool:
        """In an exception: leave the head in hand alone, for longer each time. False: none was in hand."""
        head, self.in_hand = self.in_hand, None
        if head is None:
            return False
        pause_ms = min(2 * self._until.get(head.message_id, (0, ASIDE_FIRST_MS // 2))[1], ASIDE_LONGEST_MS)
        said = "message %d of lane %s can not be claimed; it is left alone for %d ms"
        log.exception(said, head.message_id, ascii(head.key), pause_ms)
        self._until = {m: kept for m, kept in self._until.items() if now_mono - kept[0] < ASIDE_LONGEST_MS}
        self._until[head.message_id] = (now_mono + pause_ms, pause_ms)
        return True
