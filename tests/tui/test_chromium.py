"""The dashboard in a real browser. It needs Chromium (Debian: `apt install chromium`), which not every machine has."""

from pathlib import Path

import pytest

from lanes_storage import reads
from lanes_storage.law import LaneState
from tests.kit.chromium import PROGRAM, browser
from tests.kit.stage import Stage
from tests.kit.until import until
from tests.tui.test_in_browser import TOKEN, Serve, serve

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="there is no chromium here"),
    pytest.mark.disk,  # its profile
]
__all__ = ["serve"]


async def test_rows_are_live_and_keys_the_mouse_and_an_abort_work(serve: Serve, stage: Stage, tmp_path: Path) -> None:
    stage.hold("held:1", stage.dead_owner(), "waits")
    stage.send("other:2", "text")
    server = await serve(writes=True)
    async with browser(tmp_path / "profile") as page:
        await page.open(server.url, TOKEN)
        await page.shows("held:1", "other:2", "WRITES, IN A BROWSER")
        stage.send("later:3", "text")
        await page.shows("later:3")
        await page.click("other:2")
        await page.shows("other:2  epoch")
        await page.click("held:1")
        await page.shows("held:1  epoch")
        await page.type("a")
        await page.shows("Cancel")
        await page.type("y")
        await page.shows("repaired")
        assert len(await page.picture()) > 10_000
        assert page.complaints == [], "nothing was refused by the policy of the page"
        here = (server.url, server.url.replace("http", "ws"), "data:", "about:")
        assert all(url.startswith(here) for url in page.asked), "nothing comes from anywhere else"
        assert not [url for url in page.asked if TOKEN in url]
    found = stage.store.read(reads.lane("held:1"))
    assert found is not None
    assert found.state is LaneState.ABORTED


async def test_without_write_nothing_is_done(serve: Serve, stage: Stage, tmp_path: Path) -> None:
    stage.hold("held:1", stage.dead_owner(), "waits")
    server = await serve()
    async with browser(tmp_path / "profile") as page:
        await page.open(server.url, "not this")

        async def told() -> bool:
            return "not the token" in str(await page.value("document.querySelector('#why').textContent"))

        await until(told, "the page to say so")
        await page.open(server.url, TOKEN)
        await page.shows("held:1", "read-only")
        await page.type("a")
        await page.shows("this dashboard is read-only")
    found = stage.store.read(reads.lane("held:1"))
    assert found is not None
    assert found.state is LaneState.RUNNING
