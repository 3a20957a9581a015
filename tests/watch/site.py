"""A database, a watcher on it with the owner of a gateway, and the gateway of another program that it watches."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from lanes.config import from_data
from lanes.desk import Desk, connect
from lanes.engine.registration import as_owner
from lanes.records import Lane
from lanes.verbs.queries import list_
from lanes.watch.watcher import Watcher, WatcherHome, watching
from lanes_storage import doors, reads
from lanes_storage.law import SourceState
from tests.kit.databases import lay
from tests.kit.until import until
from tests.watch.openclaw import TOKEN, ReplayOpenClaw, replay

KEY = "agent:main:feishu:group:oc_d497"
ADDRESS = f"openclaw:{KEY}"


class WatchSite:
    """A desk, and what is watched on its database."""

    def __init__(self, desk: Desk, folder: Path, *gateways: ReplayOpenClaw, **settings: Any) -> None:
        self.desk, self.gateway = desk, gateways[0]
        names = ["openclaw", "other"]
        env = {"OPENCLAW_TOKEN": TOKEN}
        rows = [
            {"name": name, "url": each.url, "token_env": "OPENCLAW_TOKEN"} | settings
            for name, each in zip(names, gateways, strict=False)
        ]
        self.config = from_data({"watch": rows}, env=env)
        self._folder = folder

    async def register(self) -> int:
        """A new owner, which lives as long as this process does."""
        new, now = as_owner("watcher", self.config), self.desk.clock()
        return await self.desk.store.write(lambda tx: doors.register(tx, new, now))

    @asynccontextmanager
    async def watched(self, owner: int | None = None) -> AsyncIterator[None]:
        """Watch during the block."""
        me = await self.register() if owner is None else owner
        keys = self._folder / "keys"
        home = WatcherHome(self.desk.store, self.desk.changes, self.desk.clock, lambda: me)
        async with watching(Watcher(home, self.config.watches, keys)):
            yield

    async def connected(self, state: SourceState = SourceState.CONNECTED) -> None:
        """Wait until the first gateway is watched, or in another state."""

        async def look() -> bool:
            return any(each.state is state for each in await self.desk.store.read(reads.sources()))

        await until(look, f"a gateway that is {state}")

    async def lanes(self, **how: Any) -> list[Lane]:
        """What `lanes list` shows."""
        found: tuple[Lane, ...] = (await self.desk.call(list_, self.desk.context(), **how)).lanes
        return list(found)

    async def lane_gone(self, address: str = ADDRESS) -> None:
        """Wait until there is no such lane."""

        async def look() -> bool:
            return all(each.key != address for each in await self.lanes())

        await until(look, f"the end of {address}")

    async def lane(self, address: str = ADDRESS, **fields: Any) -> Lane:
        """A lane, once these fields of it, or of what is seen of it, have these values."""

        async def look() -> list[Lane]:
            return [each for each in await self.lanes() if each.key == address and _has(each, fields)]

        return (await until(look, f"{address} with {fields}"))[0]


def _has(lane: Lane, fields: dict[str, Any]) -> bool:
    """``state`` is that of the lane."""
    seen = ("runs", "waiting", "outcome", "gateway", "from_files")
    return all(getattr(lane.seen if name in seen else lane, name, None) == value for name, value in fields.items())


@asynccontextmanager
async def watch_site(folder: Path, *versions: str, **settings: Any) -> AsyncIterator[WatchSite]:
    """A site with a gateway of each version; ``settings`` are those of each [[watch]]."""
    async with AsyncExitStack() as ending:
        gateways = [await ending.enter_async_context(replay(version)) for version in versions]
        desk = await ending.enter_async_context(connect(str(lay(folder / "lanes.db")), synchronous="normal"))
        yield WatchSite(desk, folder, *gateways, **settings)
