"""Python runners with a process for each run: what the run can do there, and that nothing outlives or harms others."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.runners.build import check_runners
from tests.agents.kit import Site, configured
from tests.agents.trees import alive
from tests.kit.processes import eventually, house
from tests.kit.until import until

QUICK = {"abort_grace": "5s", "reconcile_interval": "100ms"}
MODULE = """
import asyncio, os, signal, subprocess, sys, time
import lanes

async def speak(run):
    run.progress("tool:started " + run.key)
    run.busy(5, "thinking")
    run.emit("one ", lanes.Delta("two"))
    turns = await run.history(5)
    print("a word for the log")
    return lanes.Reply(
        f"{os.getpid()} {run.text} {[turn.text for turn in turns]} {run.epoch == run.id} {run.reached_caller}",
        usage={"total_tokens": 3},
    )

async def asks(run):
    steer = run.inbox()
    try:
        async with asyncio.timeout(0):
            await steer.get()  # nothing is sent before the question: it is cancelled, and the text is for the next one
    except TimeoutError:
        pass
    branch = await run.ask("Which branch?", options=["main", "dev"])
    return f"{branch} {await run.permit('Sure?', timeout=0.01)} {(await steer.get()).text}"

async def both(run):
    taken = await asyncio.gather(run.inbox().get(), run.inbox().get())
    return " ".join(sorted(each.text for each in taken))

async def gives_up(run):
    if run.text != "hello":
        return run.text
    waits = [asyncio.ensure_future(each) for each in (run.inbox().get(), run.ask("Which branch?"))]
    while not os.path.exists("asked"):
        await asyncio.sleep(0.01)
    for each in waits:
        each.cancel()
    await asyncio.wait(waits)
    await run.history(1)  # by then the gateway knows
    open("gave_up", "w").close()
    while not os.path.exists("sent"):
        await asyncio.sleep(0.01)
    return "done"

def environment(run):
    return " ".join(os.environ)

def plain(run):
    return f"{os.getpid()} {os.environ['LANES_RUN_ID']}"

async def fails(run):
    if run.text == "known":
        raise lanes.RunFailed("out_of_paper", "no paper")
    if run.text == "parked":
        raise lanes.RunParked(60, "later")
    raise ValueError("the runner's own")

def crashes(run):
    os.kill(os.getpid(), signal.SIGSEGV)

def leaks(run):
    held = []
    while True:
        held.append(bytearray(1 << 24))

def never_yields(run):
    start(run)
    while True:
        pass

async def ignores(run):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    never_yields(run)

async def hangs(run):
    start(run)
    try:
        await asyncio.sleep(600)
    finally:
        open("cleaned", "w").close()

def start(run):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open("pids.new", "w") as file:
        for pid in (os.getpid(), child.pid):
            stat = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            print(pid, stat[19], file=file)
    os.rename("pids.new", "pids")

def leaves(run):
    start(run)
    return "left"

def returns(run):
    return {"number": 3, "reply": lanes.Reply("x", usage={"n": float("nan")})}[run.text]

async def talks(run):
    os.write(1, b"{nonsense}\\n\\xff\\n")
    return "done"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agent.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # the processes have the folder of their gateway


@asynccontextmanager
async def isolated(
    folder: Path, name: str, *, clocks: dict[str, str] | None = None, config: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Site]:
    runner = {"name": "it", "kind": "python", "target": f"agent:{name}", "isolate": "process", **more}
    async with configured(folder, runner, clocks=clocks, **(config or {})) as site:
        yield site


def started(folder: Path) -> list[tuple[int, int]]:
    try:
        lines = (folder / "pids").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [(int(pid), int(start)) for pid, start in map(str.split, lines)]


async def test_the_run_can_do_what_it_can_in_the_gateway(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with isolated(tmp_path, "speak") as site:
        first = await site.ask("hello")
        sent = await site.desk.send("agent:main:test", "again")
        heard = [piece.text async for piece in site.gateway.listen(sent.id)]
        second = await site.desk.wait(sent.id)
        assert (first.state, second.state, first.usage) == ("done", "done", {"total_tokens": 3})
        pid, *rest = (first.reply or "").split(" ")
        assert rest == ["hello", "[]", "True", "False"]
        other, *rest = (second.reply or "").split(" ")
        assert rest == ["again", "['hello']", "True", "True"]
        assert len({pid, other, str(os.getpid())}) == 3
        assert "".join(heard) == "one two"
        assert "a word for the log" in caplog.text


async def test_F255_the_run_asks_and_is_steered_through_its_gateway(tmp_path: Path) -> None:
    async with isolated(tmp_path, "asks") as site:
        message = await site.desk.send("a", "hello", actor="alice")

        async def asked() -> bool:
            return (await site.desk.lane("a")).question is not None

        await until(asked, "the question")
        await site.desk.send("a", "2", actor="alice")
        await site.desk.steer("a", "quickly")
        assert (await site.desk.wait(message.id)).reply == "dev False quickly"


async def test_F762_what_the_run_waits_for_no_longer_is_for_nobody_else(tmp_path: Path) -> None:
    async with isolated(tmp_path, "gives_up") as site:
        message = await site.desk.send("a", "hello", actor="alice")

        async def asked() -> bool:
            return (await site.desk.lane("a")).question is not None

        async def withdrawn() -> bool:
            return not await asked()

        await until(asked, "the question")
        (tmp_path / "asked").touch()
        await until((tmp_path / "gave_up").exists, "the run to go on")
        await until(withdrawn, "the question to be withdrawn")
        steered = await site.desk.steer("a", "quickly")
        sent = await site.desk.send("a", "main", actor="alice")
        (tmp_path / "sent").touch()
        assert [(await site.desk.wait(each.id)).reply for each in (message, steered, sent)] == [
            "done", "quickly", "main",
        ]  # fmt: skip


async def test_F763_two_tasks_of_a_run_get_a_text_each(tmp_path: Path) -> None:
    async with isolated(tmp_path, "both") as site:
        message = await site.desk.send("a", "hello")
        await until(lambda: site.gateway.held == 1, "the run")
        for text in ("first", "second"):
            await site.desk.steer("a", text)
        assert (await site.desk.wait(message.id)).reply == "first second"


async def test_a_plain_function_has_a_process_too(tmp_path: Path) -> None:
    async with isolated(tmp_path, "plain") as site:
        pid, run = ((await site.ask()).reply or "").split(" ")
        lane = await site.desk.lane("agent:main:test")
        assert (int(pid) != os.getpid(), int(run)) == (True, lane.epoch)


@pytest.mark.parametrize(
    ("text", "cause", "said"),
    [("known", "out_of_paper", "no paper"), ("", "runner_failed", "ValueError: the runner's own")],
)
async def test_what_it_raises_ends_the_run_in_the_same_way(tmp_path: Path, text: str, cause: str, said: str) -> None:
    async with isolated(tmp_path, "fails") as site:
        ended = await site.ask(text)
        assert ended.error is not None
        assert (ended.state, ended.error.cause, ended.error.message) == ("failed", cause, said)


async def test_it_can_be_parked(tmp_path: Path) -> None:
    async with isolated(tmp_path, "fails") as site:
        sent = await site.desk.send("k", "parked")

        async def parked() -> bool:
            return (await site.desk.message(sent.id)).parked_until is not None

        await until(parked, "the message to be parked")


async def test_F314_one_that_crashes_takes_nobody_with_it(tmp_path: Path) -> None:
    async with isolated(tmp_path, "crashes") as site:
        ended = await asyncio.gather(*(site.ask(key=f"k{number}") for number in range(3)))
        assert [(each.state, each.error and each.error.cause) for each in ended] == [("failed", "exit_status")] * 3
        assert ended[0].error is not None
        assert "was ended by signal 11" in ended[0].error.message


async def test_F314_one_that_leaks_meets_its_own_limit(tmp_path: Path) -> None:
    async with isolated(tmp_path, "leaks", max_memory_bytes=1 << 29) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", "runner_failed")
        assert "MemoryError" in ended.error.message


@pytest.mark.parametrize("name", ["never_yields", "ignores", "hangs"])
async def test_F314_an_abort_ends_the_process_and_what_it_started(tmp_path: Path, name: str) -> None:
    async with isolated(tmp_path, name, clocks=QUICK) as site:
        await site.desk.send("k", "go")
        tree = await until(lambda: started(tmp_path), "its processes")
        result = await site.desk.abort("k", actor="me")
        assert (result.outcome, result.survivors, alive(tree)) == ("released", (), [])
        assert (tmp_path / "cleaned").exists() == (name == "hangs")


async def test_F314_a_time_out_ends_one_that_never_yields(tmp_path: Path) -> None:
    async with isolated(tmp_path, "never_yields", clocks={**QUICK, "run_timeout": "2s"}) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "run_timeout")
        assert alive(started(tmp_path)) == []


async def test_what_it_leaves_behind_ends_before_its_reply_is_stored(tmp_path: Path) -> None:
    async with isolated(tmp_path, "leaves") as site:
        assert (await site.ask()).reply == "left"
        assert alive(started(tmp_path)) == []


@pytest.mark.parametrize("text", ["number", "reply"])
async def test_what_cannot_be_a_reply_is_a_failure_of_its_runner(tmp_path: Path, text: str) -> None:
    async with isolated(tmp_path, "returns") as site:
        ended = await site.ask(text)
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "runner_failed")


async def test_what_it_prints_is_not_taken_for_what_it_says(tmp_path: Path) -> None:
    async with isolated(tmp_path, "talks") as site:
        assert (await site.ask()).reply == "done"


def test_F315_the_process_of_a_gateway_that_was_killed_is_found_and_ended(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        made.config.write_text(
            "[[runner]]\nname = 'it'\nkind = 'python'\ntarget = 'agent:ignores'\nisolate = 'process'\n"
            "[clocks]\nabort_grace = '2s'\nreconcile_interval = '100ms'\n",
            encoding="utf-8",
        )
        gateway = made.gateway()
        made.lanes("send", "k", "go")
        tree = eventually(lambda: started(tmp_path), "its processes")
        (keeper,) = made.row("SELECT process_pid FROM runs")
        os.kill(gateway.pid, signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        gateway.kill()
        assert alive(tree) == [pid for pid, _ in tree]
        assert made.lanes("abort", "k", "--json").json[0]["survivors"] == []
        assert alive(tree) == []
        with closing(sqlite3.connect(made.database)) as connection:
            assert connection.execute("SELECT survivors FROM runs").fetchone() == ("[]",)
            assert connection.execute("SELECT count(*) FROM pauses").fetchone() == (0,)


def test_a_target_that_cannot_be_loaded_is_refused_at_the_start(tmp_path: Path) -> None:
    for target, said in (("agent:nothing", "has no nothing"), ("missing:it", "no module missing")):
        runner = {"name": "it", "kind": "python", "target": target, "isolate": "process"}
        with pytest.raises(ConfigError, match=said):
            check_runners(from_data({"runner": [runner]}, env={}, cwd=tmp_path))


async def test_F465_it_gets_the_environment_of_its_gateway_without_the_secrets_of_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANES_TOKEN", "SOME_TOKEN", "SOME_KEY", "SOME_URL", "MY_KEY", "MY_OWN"):
        monkeypatch.setenv(name, "https://s3cr3t.example")
    for env, expected in ([], {"MY_OWN"}), (["MY_KEY"], {"MY_KEY", "MY_OWN"}):
        more = {
            "gateway": {"token_env": "SOME_TOKEN"},
            "provider": [
                {"name": name, "base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": name}
                for name in ("SOME_KEY", "MY_KEY")
            ],
            "alert": [{"name": "a", "on": ["held"], "url_env": "SOME_URL"}],
        }
        async with isolated(tmp_path, "environment", config=more, env=env) as site:
            found = (await site.ask("hello")).reply or ""
        assert {name for name in found.split() if name.startswith(("LANES_TOKEN", "SOME_", "MY_"))} == expected
        assert "PATH" in found.split()


def test_limits_of_processes_need_processes() -> None:
    runner = {"name": "it", "kind": "python", "target": "agent:speak", "nice": 5}
    with pytest.raises(ConfigError, match="needs a process for each run"):
        from_data({"runner": [runner]}, env={})
