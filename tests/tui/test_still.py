"""The dashboard without a screen: a plain table, once or whenever it changes, on a file and through a gateway."""

import asyncio
import sys
from pathlib import Path

import pexpect  # type: ignore[import-untyped]  # it has no hints

from lanes_tui.sources.file import FileSource
from lanes_tui.sources.polling import Rhythm
from lanes_tui.still import printed
from tests.kit.counter import counter
from tests.kit.processes import PATIENCE_S, House, environment, eventually
from tests.kit.stage import Stage
from tests.kit.until import until

QUICK = Rhythm(look_every=0.05, ask_every=0.01, least_gap=0.0, retry_every=0.05)


def test_off_a_terminal_the_lanes_are_printed_once(made: House) -> None:
    stage = Stage(made.database)
    stage.hold("held:微信:1", stage.owner(), "waiting")
    stage.fail(stage.hold("failed:\u202e1", 1))
    stage.close()
    printed_once = made.command("dashboard").out.splitlines()
    assert printed_once[0].split()[:2] == ["STATE", "LANE"]
    assert "▶ running" in printed_once[1]
    assert "held:微信:1" in printed_once[1]
    assert r"failed:\u202e1" in printed_once[2]
    assert "provider_failed" in printed_once[2]
    assert made.command("dashboard", "--read-only").out.splitlines()[0] == printed_once[0]


def test_F919_off_a_terminal_the_lanes_are_json_where_that_is_asked_for(made: House) -> None:
    stage = Stage(made.database)
    stage.send("waits:1", "hello")
    stage.close()
    (lane,) = made.command("dashboard", "--json").json
    assert (lane["key"], lane["queued"]) == ("waits:1", 1)
    assert made.command("--json", "dashboard", "--write", check=False).code == 2


def test_on_a_terminal_that_cannot_paint_the_lanes_are_printed_once(made: House) -> None:
    stage = Stage(made.database)
    stage.send("waits:1", "hello")
    stage.close()
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "lanes", "dashboard", "--db", str(made.database)],
        env=environment(made.folder) | {"TERM": "dumb"},
        timeout=PATIENCE_S,
    )
    said = screen.read()
    screen.close()
    assert (screen.exitstatus, b"waits:1" in said, b"\x1b" in said) == (0, True, False)


def test_an_empty_database_says_what_to_type(made: House) -> None:
    Stage(made.database).close()
    assert f"lanes send demo:1 hello --db {made.database}" in made.command("dashboard").out


def test_a_database_that_is_missing_is_refused_before_the_screen_is_taken(made: House) -> None:
    made.database.unlink()
    refused = made.command("dashboard", check=False)
    assert refused.code == 69
    assert str(made.database) in refused.err


def test_a_gateway_that_does_not_answer_is_refused_before_the_screen_is_taken(made: House) -> None:
    process = made.start("dashboard", "--url", "http://127.0.0.1:1", name="refused")
    assert process.popen.wait(PATIENCE_S) == 69
    assert "127.0.0.1:1" in process.said()


def test_watching_prints_again_what_has_changed(made: House) -> None:
    stage = Stage(made.database)
    process = made.start("dashboard", "--watch", "--db", str(made.database), name="watching")
    eventually(lambda: "no lanes yet" in process.said(), "the first look")
    stage.send("new:1", "hello")
    eventually(lambda: "new:1" in process.said(), "the lane")
    process.terminate()
    stage.close()


async def test_a_loss_is_told_once_and_the_return_as_well(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "lanes.db")
    stage.send("one:1", "hello")
    said: list[str] = []
    watching = asyncio.create_task(printed(FileSource(str(stage.path), actor="a"), said.append, QUICK))
    await until(lambda: said, "the first table")
    away = stage.path.with_name("away")
    stage.path.rename(away)
    await until(lambda: "lost: " in said[-1], "the loss")
    away.rename(stage.path)
    await until(lambda: "one:1" in said[-1], "the return")
    assert len(said) == 3
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    stage.close()


async def test_a_gateway_elsewhere_is_printed_the_same(tmp_path: Path, made: House) -> None:
    stage = Stage(made.database)
    stage.send("one:1", "hello")
    async with counter(made.database) as url:
        process = made.start("dashboard", "--url", url, name="elsewhere")
        await asyncio.to_thread(eventually, lambda: "one:1" in process.said(), "the lane")
        assert await asyncio.to_thread(process.popen.wait, PATIENCE_S) == 0
    stage.close()
