"""Follows the journal as it is written, with one reader of the database for all followers.

A follower gets new events from a window in memory, and reads the database only until it has caught up.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lanes import filters
from lanes.desk import Desk
from lanes.records import Event
from lanes.verbs import system
from lanes_storage.errors import StorageError
from lanes_storage.records import LaneFilter
from lanes_storage.threads import set_within

#: How many events are kept in memory for followers, and their most bytes: one event may hold megabytes (the text of a
#: dropped message).
WINDOW = 2_000
WINDOW_BYTES = 8_000_000
#: The most events of one read of the database, and their most characters, though never less than one event.
PAGE = 500
PAGE_CHARACTERS = 262_144
#: The bytes after which a follower takes no further event at a time; the rest follows once these are sent.
MOST_BYTES = 262_144
#: The pause between two reads of the database (s), so that a burst of commits costs one read.
REST_S = 0.02
#: The longest time between two reads (s) if no change is noticed, in case one was missed.
LOOK_ANYWAY_S = 1.0
#: The pause after a read that failed (s).
REFUSED_S = 0.5


class JournalEntry(NamedTuple):
    """An event as it is sent to all followers."""

    id: int
    type: str
    key: str | None
    data: bytes
    facts: filters.Facts

    @classmethod
    def of(cls, event: Event) -> "JournalEntry":
        text = f"id: {event.id}\nevent: {event.type}\ndata: {json.dumps(event.to_json())}\n\n"
        return cls(event.id, event.type, event.key, text.encode(), filters.of_event(event))


class Feed:
    """The newest events of a database. Belongs to the event loop; reads only while there is a follower."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.followers = 0
        self.ended = False
        self.last = 0  # the newest event that was read
        self.news = asyncio.Event()  # set, and replaced, when there is something new
        self._window: deque[JournalEntry] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    async def follow(
        self, after: int | None, *, key: str | None = None, type_: str | None = None, chosen: LaneFilter = system.EVERY
    ) -> "JournalReader":
        """Follow the events after ``after``; with None, from now on. The caller closes the reader.

        Raises NotFound for a lane that does not exist, StorageError.
        """
        if key is not None:
            await self.desk.lane(key)
        newest = await self._newest()
        if self._task is None:
            self.last = newest
            self._window.clear()
            self._size = 0
            self._task = asyncio.create_task(self._read(), name="lanes-journal")
        self.followers += 1
        # An id beyond the journal is from another database, which this one has replaced.
        return JournalReader(self, newest if after is None or after > newest else after, key, type_, chosen)

    def leave(self) -> None:
        """Unregister a follower; without any, the journal is no longer read."""
        self.followers -= 1
        if not self.followers and self._task is not None:
            self._task.cancel()
            self._task = None

    def end(self) -> None:
        """End all followers."""
        self.ended = True
        self._notify()

    def kept_behind(self, after: int) -> Iterator[JournalEntry] | None:
        """The events after ``after``; None if the window does not reach back that far."""
        first = self._window[0].id - 1 if self._window else self.last
        return None if after < first else (event for event in self._window if event.id > after)

    def _keep(self, page: Sequence[Event]) -> None:
        for event in page:
            entry = JournalEntry.of(event)
            self._window.append(entry)
            self._size += len(entry.data)
        while len(self._window) > WINDOW or self._size > WINDOW_BYTES:
            self._size -= len(self._window.popleft().data)
        self.last = page[-1].id

    async def page(
        self, after: int, *, key: str | None = None, type_: str | None = None, chosen: LaneFilter = system.EVERY
    ) -> list[Event]:
        """The next events of the database. Raises StorageError."""
        return await self.desk.perform(
            system.events(
                self.desk.context(),
                key,
                filter_=chosen,
                type=type_,
                after=after,
                limit=PAGE,
                newest=False,
                within=PAGE_CHARACTERS,
            )
        )

    async def _newest(self) -> int:
        newest = await self.desk.events(limit=1, newest=True)
        return newest[0].id if newest else 0

    def _notify(self) -> None:
        news, self.news = self.news, asyncio.Event()
        news.set()

    async def _read(self) -> None:
        while True:
            mark = self.desk.changes.mark()
            try:
                page = await self.page(self.last)
            except StorageError:
                await asyncio.sleep(REFUSED_S)
                continue
            if page:
                self._keep(page)
                self._notify()
                await asyncio.sleep(REST_S)
            else:
                await self.desk.changes.wait(LOOK_ANYWAY_S, mark)


class JournalReader:
    """One follower of the feed. ``after``: the last event that it has taken."""

    def __init__(self, feed: Feed, after: int, key: str | None, type_: str | None, chosen: LaneFilter) -> None:
        self.after = after
        self._feed = feed
        self._key, self._type, self._chosen = key, type_, chosen
        self._news = feed.news

    async def take(self) -> bytes:
        """New events, up to the limit of bytes; empty if there are none. Raises StorageError."""
        feed = self._feed
        self._news, last = feed.news, feed.last
        fresh = feed.kept_behind(self.after)
        if fresh is None:
            page = await feed.page(self.after, key=self._key, type_=self._type, chosen=self._chosen)
            fresh, last = map(JournalEntry.of, page), last if not page else page[-1].id
        chunks, size = list[bytes](), 0
        for event in fresh:
            if size > MOST_BYTES:
                break
            self.after = event.id
            if self._wants(event):
                chunks.append(event.data)
                size += len(event.data)
        else:
            self.after = max(self.after, last)
        return b"".join(chunks)

    def _wants(self, event: JournalEntry) -> bool:
        named = self._key in (None, event.key) and self._type in (None, event.type)
        return named and filters.fits(event.facts, self._chosen)

    @property
    def behind(self) -> bool:
        """Whether there is more to take without waiting."""
        return self.after < self._feed.last

    @property
    def ended(self) -> bool:
        """Whether the feed has ended."""
        return self._feed.ended

    async def wait(self, seconds: float) -> bool:
        """Wait for new events, at most this long; returns whether there are any."""
        return await set_within(self._news, seconds)

    def close(self) -> None:
        """Stop following."""
        self._feed.leave()
