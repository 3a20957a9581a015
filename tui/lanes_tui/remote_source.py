"""The source that reads and acts through a gateway elsewhere, over HTTP: ``lanes dashboard --url``.

The gateway may stop, be restarted or be cut off while the dashboard runs. Every call then raises ``Lost``, and the
next one asks again. Who acts is for the gateway to say, by the token.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lanes import filters
from lanes.commands.common.client import GatewayClient
from lanes.drivers.remote import WAIT_S, RemoteDriver
from lanes.errors import ConfigError, NotAllowed, TooMuch, Unreadable
from lanes.records import Drain, Event, Hit, Lane, LaneDetail, Message, OwnerDetail, SearchPage, Status
from lanes.verbs.verb import Verb
from lanes_storage.errors import StorageError
from lanes_storage.moment import Clock, Now, system_clock
from lanes_storage.records import LaneFilter, LaneOrder
from lanes_tui.marks import Mark
from lanes_tui.source import BY_ATTENTION, AsOf, Lost, Window

T = TypeVar("T")
#: Lanes of one answer.
PAGE = 1_000
#: Calls at a time: as many as are aborted together, and some for looking.
THREADS = 72


class RemoteSource:
    """Implements ``Source``. The client blocks, so every call is made in a thread."""

    def __init__(
        self, client: GatewayClient, *, read_only: bool = False, clock: Clock = system_clock, wait_s: float = WAIT_S
    ) -> None:
        self._client = client
        self._driver = RemoteDriver(client, wait_s)
        self._read_only = read_only
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lanes-remote")

    @property
    def name(self) -> str:
        return self._client.url

    @property
    def actor(self) -> str:
        return "over HTTP"

    @property
    def read_only(self) -> bool:
        return self._read_only

    def now(self) -> Now:
        return self._clock()

    async def version(self) -> int:
        return 0  # nothing tells without asking: it is looked at in the rhythm of the screen

    # ------------------------------------------------------------------------------------- looking

    async def window(self, chosen: LaneFilter, offset: int, limit: int, *, order: LaneOrder = BY_ATTENTION) -> Window:
        page = await self._search(chosen, order, offset=offset, limit=min(limit, PAGE))
        return Window(self._clock(), offset, list(page.lanes), page.total)

    async def place(self, chosen: LaneFilter, key: str, *, order: LaneOrder = BY_ATTENTION) -> int | None:
        return (await self._search(chosen, order, place_of=key)).place

    async def total(self, chosen: LaneFilter) -> int:
        return (await self._search(chosen, BY_ATTENTION)).total

    async def find(
        self, chosen: LaneFilter, part: str, key: str | None, *, step: int = 0, order: LaneOrder = BY_ATTENTION
    ) -> Hit | None:
        body = self._asked(chosen, order) | {"part": part, "from": key, "step": step}
        return await self._look(_hit, lambda: self._client.post("/api/find", body))

    async def marks(self, chosen: LaneFilter, limit: int) -> list[Mark]:
        return [Mark.of(lane) for lane in await self.export(chosen, BY_ATTENTION, limit)]

    async def status(self) -> AsOf[Status]:
        status = await self._look(Status.from_json, lambda: self._client.get("/api/status"))
        return AsOf(self._clock(), status)

    async def detail(self, key: str) -> AsOf[LaneDetail]:
        detail = await self._look(LaneDetail.from_json, lambda: self._client.get("/api/lane", {"key": key}))
        return AsOf(self._clock(), detail)

    async def events(self, *, key: str | None = None, limit: int) -> list[Event]:
        query = {"key": key, "limit": min(limit, PAGE)}
        return await self._look(Event.all_from_json, lambda: self._client.get("/api/events", query))

    async def dead_letters(self, limit: int) -> list[Message]:
        query = {"limit": min(limit, PAGE)}
        found = await self._look(Message.all_from_json, lambda: self._client.get("/api/dead-letters", query))
        return [message for message in found if message.retried_as is None]

    async def export(self, chosen: LaneFilter, order: LaneOrder, limit: int) -> list[Lane]:
        found: dict[str, Lane] = {}  # a lane that moves while pages are read may be on two of them
        for offset in range(0, limit, PAGE):
            page = await self._search(chosen, order, offset=offset, limit=min(PAGE, limit - offset))
            found |= {lane.key: lane for lane in page.lanes}
            if offset + PAGE >= page.total:
                break
        return list(found.values())

    # -------------------------------------------------------------------------------------- acting

    async def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        if verb.changes and self._read_only:
            raise NotAllowed("this dashboard is read-only")
        return await self._look(_as_it_is, lambda: self._driver.call(verb, **params))

    async def retry(self, key: str, *, epoch: int) -> Message:
        return await self._post(Message.from_json, "/api/lane/retry", {"epoch": epoch}, {"key": key})

    async def send(self, key: str, text: str) -> Message:
        return await self._post(Message.from_json, "/api/lane/messages", {"text": text}, {"key": key})

    async def drop(self, message_id: int) -> Message:
        return await self._post(Message.from_json, f"/api/messages/{message_id}/drop", {})

    async def retry_message(self, message_id: int) -> Message:
        return await self._post(Message.from_json, f"/api/messages/{message_id}/retry", {})

    async def prune_dead_letters(self, until: int) -> int:
        del until
        raise NotAllowed("dead letters are pruned on the host of the database: `lanes dead-letters --prune` there")

    async def drain(self, owner_id: int) -> Drain:
        (gateway,) = await self._post(OwnerDetail.all_from_json, "/api/drain", {"gateway": str(owner_id)})
        return gateway.draining or Drain("", None)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    # -------------------------------------------------------------------------------------- asking

    async def _search(self, chosen: LaneFilter, order: LaneOrder, **page: Any) -> SearchPage:
        body = self._asked(chosen, order) | page
        return await self._look(SearchPage.from_json, lambda: self._client.post("/api/search", body))

    def _asked(self, chosen: LaneFilter, order: LaneOrder) -> dict[str, Any]:
        # Ages travel, not times: the clock of the gateway may be another one.
        return {
            "filter": filters.written(chosen),
            "keys": None if chosen.keys is None else list(chosen.keys),
            "sort": order.by,
            "reverse": order.reverse,
        }

    async def _post(
        self, read: Callable[[Any], T], path: str, body: Mapping[str, Any], query: Mapping[str, Any] | None = None
    ) -> T:
        if self._read_only:
            raise NotAllowed("this dashboard is read-only")
        return await self._look(read, lambda: self._client.post(path, body, query))

    async def _look(self, read: Callable[[Any], T], ask: Callable[[], Any]) -> T:
        """What the gateway answers, read by ``read``. Raises Lost, and the errors that the gateway tells of."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: read(ask()))
        except StorageError as error:
            raise Lost(f"{error}: {error.fix}") from error
        except (ConfigError, TooMuch, Unreadable) as error:  # the next look may do better
            raise Lost(str(error)) from error


def _hit(answer: Any) -> Hit | None:
    found = answer.get("hit") if isinstance(answer, dict) else answer
    return None if found is None else Hit.from_json(found)


def _as_it_is(answer: Any) -> Any:
    return answer
