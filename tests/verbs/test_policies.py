"""The policy of a lane holds for a message from wherever it comes: library, file, HTTP, dashboard, retry."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import lanes
from lanes.base.errors import LaneBusy, LanesError, QueueFull
from lanes.config import Config, from_data
from lanes.context import Context
from lanes.drivers.client import GatewayClient
from lanes.drivers.local import LocalDriver
from lanes.verbs import messages, sending
from lanes_storage import open_store
from lanes_storage.law import MessageState
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.remote import RemoteSource
from tests.kit.counter import counter
from tests.kit.stage import Stage

#: How each kind of lane takes messages.
POLICY = [
    {"match": "reject*", "mode": "reject"},
    {"match": "small*", "cap": 2},
    {"match": "newest*", "cap": 2, "overflow": "drop-oldest"},
    {"match": "now*", "mode": "interrupt"},
]

Send = Callable[[str, str], Awaitable[Any]]
Retry = Callable[[int], Awaitable[Any]]


class Way:
    """One way to hand a message in, to retry one, and to retry the last one of a lane."""

    def __init__(self, send: Send, retry: Retry, retry_last: Retry) -> None:
        self.send, self.retry, self.retry_last = send, retry, retry_last

    async def came(self, key: str, text: str) -> str:
        """What became of a message."""
        return await _came(self.send(key, text))


async def _came(work: Awaitable[Any]) -> str:
    try:
        await work
    except LanesError as error:
        return type(error).__name__
    return "accepted"


@asynccontextmanager
async def way_of(name: str, path: Path, config: Config, key: str = "") -> AsyncIterator[Way]:
    """``key``: the lane whose last dead letter is retried."""
    async with AsyncExitStack() as stack:
        if name == "library":
            desk = await stack.enter_async_context(lanes.connect(str(path), config=config))
            yield Way(desk.send, desk.retry, lambda _: desk.retry_last(key))
        elif name == "command":
            store = open_store(str(path))
            stack.callback(store.close)
            local = LocalDriver(store, Context("me", configured=lambda: config))

            async def send(key: str, text: str) -> Any:
                return local.call(sending.send, key=key, text=text)

            async def retry(number: int) -> Any:
                return local.call(messages.retry, id=number)

            yield Way(send, retry, retry)
        elif name == "dashboard":
            file = FileSource(str(path), actor="me", config=config)
            stack.push_async_callback(file.close)
            yield Way(
                file.send,
                lambda number: file.call(messages.retry, id=number),
                lambda _: file.call(messages.retry_last, key=key, epoch=1),
            )
        else:
            url = await stack.enter_async_context(counter(path, policy=POLICY))
            remote = RemoteSource(GatewayClient(url, None))
            stack.push_async_callback(remote.close)
            yield Way(
                remote.send,
                lambda number: remote.call(messages.retry, id=number),
                lambda _: remote.call(messages.retry_last, key=key, epoch=1),
            )


WAYS = ("library", "command", "dashboard", "http")


@pytest.mark.parametrize("name", WAYS)
async def test_what_the_policy_says_holds_for_a_message(tmp_path: Path, name: str) -> None:
    stage = Stage(tmp_path / "lanes.db")
    async with way_of(name, stage.path, from_data({"policy": POLICY})) as way:
        assert [await way.came("reject:1", "x") for _ in range(4)] == ["accepted", *["LaneBusy"] * 3]
        assert [await way.came("small:1", "x") for _ in range(3)] == ["accepted", "accepted", "QueueFull"]
        assert [await way.came("newest:1", "x") for _ in range(3)] == ["accepted"] * 3
        assert [await way.came("now:1", "x") for _ in range(2)] == ["accepted"] * 2
        assert [await way.came("plain", "x") for _ in range(4)] == ["accepted"] * 4
    ended = {MessageState.DROPPED: "newest:1", MessageState.ABORTED: "now:1"}
    for number in range(1, 11):
        message = stage.message(number)
        if message.state is not MessageState.QUEUED:
            assert ended.pop(message.state) == message.key
    assert not ended
    stage.close()


@pytest.mark.parametrize("last", [False, True], ids=["one", "the last"])
@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    ("key", "waiting", "outcome"),
    [("reject:1", 1, LaneBusy), ("small:1", 2, QueueFull), ("newest:1", 2, None), ("now:1", 1, None)],
)
async def test_what_the_policy_says_holds_for_a_retry(
    tmp_path: Path, name: str, last: bool, key: str, waiting: int, outcome: type[LanesError] | None
) -> None:
    stage = Stage(tmp_path / "lanes.db")
    failed = stage.hold(key, stage.owner())
    stage.fail(failed)
    messages = stage.send(key, *["waits"] * waiting)
    async with way_of(name, stage.path, from_data({"policy": POLICY}), key) as way:
        retried = way.retry_last(failed.message.id) if last else way.retry(failed.message.id)
        assert await _came(retried) == (outcome.__name__ if outcome else "accepted")
    after = stage.message(messages[0].id).state
    made_way = {"newest:1": MessageState.DROPPED, "now:1": MessageState.ABORTED}
    assert after is made_way.get(key, MessageState.QUEUED)
    assert (stage.message(failed.message.id).retried_as is None) == (outcome is not None)
    stage.close()
