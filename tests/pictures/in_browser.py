"""The picture of the dashboard in a browser, as Chromium paints it."""

import os
import tempfile
from pathlib import Path

from lanes.host.identity import this_process
from lanes_tui.web.server import WebServer, listen
from tests.kit.chromium import browser
from tests.kit.stage import Stage

TOKEN = "a-token-for-one-picture"
#: What the dashboard of the tab runs first: the picture shows neither who drew it nor where.
DISGUISE = """
import os, pwd
uname, getpwuid = os.uname, pwd.getpwuid
os.uname = lambda: os.uname_result((*uname()[:1], "gw-1", *uname()[2:]))
pwd.getpwuid = lambda uid: pwd.struct_passwd(("alice", *getpwuid(uid)[1:]))
"""
FILE = "dashboard-browser.png"


def _disguise() -> None:
    Path("sitecustomize.py").write_text(DISGUISE, encoding="ascii")
    os.environ["PYTHONPATH"] = str(Path.cwd())


async def draw_in_browser() -> bytes:
    """The picture, as PNG, of a database in the working folder."""
    stage = Stage(Path("lanes.db"))
    owner = stage.owner(this_process()._replace(host="gw-1"))
    for key in ("agent:main:telegram:42", "agent:main:feishu:group:oc_d497", "agent:main:web:7"):
        stage.hold(key, owner, "and one more thing")
    stage.fail(stage.hold("agent:main:slack:dm:U7", owner))
    stage.send("cron:nightly", "the report")
    _disguise()
    argv = ["--db", "lanes.db", "dashboard", "--in-tab"]
    with listen(0) as listener, tempfile.TemporaryDirectory() as profile:
        server = WebServer(listener, TOKEN, argv, writes=True)
        async with server.serving(), browser(Path(profile)) as page:
            await page.open(server.url, TOKEN)
            await page.shows("agent:main:telegram:42", "WRITES, IN A BROWSER", "run ")
            return await page.picture()
