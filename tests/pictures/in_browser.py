"""The picture of the dashboard in a browser, as Chromium paints it."""

import tempfile
from pathlib import Path

from lanes_tui.web.server import WebServer, listen
from tests.kit.chromium import browser
from tests.kit.stage import Stage

TOKEN = "a-token-for-one-picture"
FILE = "dashboard-browser.png"


async def draw_in_browser() -> bytes:
    """The picture, as PNG, of a database in the working folder."""
    stage = Stage(Path("lanes.db"))
    owner = stage.owner()
    for key in ("agent:main:telegram:42", "agent:main:feishu:group:oc_d497", "agent:main:web:7"):
        stage.hold(key, owner, "and one more thing")
    stage.fail(stage.hold("agent:main:slack:dm:U7", owner))
    stage.send("cron:nightly", "the report")
    argv = ["--db", "lanes.db", "dashboard", "--in-tab"]
    with listen(0) as listener, tempfile.TemporaryDirectory() as profile:
        server = WebServer(listener, TOKEN, argv, writes=True)
        async with server.serving(), browser(Path(profile)) as page:
            await page.open(server.url, TOKEN)
            await page.shows("agent:main:telegram:42", "WRITES, IN A BROWSER", "run ")
            return await page.picture()
