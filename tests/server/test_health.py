"""Liveness and readiness over HTTP, where the gateway itself can not prove that it lives."""

from lanes.testing import SECOND, Hands
from tests.kit.commits import long_commit
from tests.kit.until import until
from tests.server.conftest import Served, Start


async def ready(served: Served) -> tuple[int, str]:
    answer = await served.client.get("/readyz")
    return answer.status_code, answer.json()["status"]


async def answers(served: Served, path: str) -> bool:
    return (await served.client.get(path)).status_code == 200


async def test_F113_a_gateway_whose_heartbeat_is_old_as_committed_is_not_ready(start: Start) -> None:
    time = Hands()
    served = await start(clock=time)
    await until(lambda: served.gateway.ready, "the first reconcile pass")
    assert await ready(served) == (200, "ready")
    async with long_commit(served.desk.store):
        for _ in range(16):  # half of its stale_after, and a second
            time.move(SECOND)
        assert await ready(served) == (503, "its last heartbeat was committed 16 s ago")
        assert await until(lambda: answers(served, "/healthz"), "its loops to tick all the same")
    await until(lambda: answers(served, "/readyz"), "the next heartbeat")
