"""What the adapters of opencode, codex and LangGraph do alike, against servers that speak as these were recorded to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from lanes.records import Outcome
from lanes.watch import ladder
from lanes.watch.adapter import Adapter, SourceDown
from lanes.watch.freeing import possible_loss
from lanes.watch.ladder import free
from lanes.watch.links import sockets, web
from lanes.watch.programs import codex as codex_adapter
from lanes.watch.programs.codex import CodexAdapter
from lanes.watch.programs.langgraph import LangGraphAdapter
from lanes.watch.programs.opencode import OpencodeAdapter
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Sighting
from tests.kit.rawserver import Call, raw_server
from tests.kit.until import until
from tests.watch.codex import ReplayCodex
from tests.watch.langgraph import ReplayLangGraph
from tests.watch.opencode import ELSEWHERE, HERE, OpencodeSession, ReplayOpencode
from tests.watch.replaying import listening

KEY = "ses_01a22284"
#: The test's process is the one that listens.
PROGRAM = "python"


class Program(NamedTuple):
    """A program: its server, its adapter, and where it lists its sessions."""

    server: Callable[[], Any]
    adapter: Callable[..., Adapter]
    lists: str
    step: str


PROGRAMS = {
    "opencode": Program(ReplayOpencode, OpencodeAdapter, "/session/status", "abort the session"),
    "codex": Program(ReplayCodex, CodexAdapter, "", "interrupt the turn"),
    "langgraph": Program(
        ReplayLangGraph, lambda url, **how: LangGraphAdapter(url, program=PROGRAM, **how), "/search", "cancel the run"
    ),
}


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not proven is not waited for."""
    monkeypatch.setattr(ladder, "PROOF_S", 0.2)


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each of them."""
    return PROGRAMS[request.param]


@pytest.fixture
async def server(program: Program) -> AsyncIterator[Any]:
    """Its server, listening."""
    async with listening(program.server()) as found:
        yield found


@asynccontextmanager
async def connected(program: Program, server: Any) -> AsyncIterator[Adapter]:
    """Its adapter, connected."""
    made = program.adapter(server.url, token=server.token)
    try:
        assert await made.connect() == server.version
        yield made
    finally:
        await made.close()


@pytest.fixture
async def adapter(program: Program, server: Any) -> AsyncIterator[Adapter]:
    """Its adapter, connected."""
    async with connected(program, server) as made:
        yield made


async def seen(adapter: Adapter, key: str = KEY, **fields: Any) -> Sighting:
    """The session, once these fields of it have these values."""

    async def look() -> list[Sighting]:
        rows = [row for row in await adapter.list() if row.key == key]
        return [row for row in rows if all(getattr(row, name) == value for name, value in fields.items())]

    return (await until(look, f"{key} with {fields}"))[0]


async def refused(program: Program, server: Any, token: str | None = None) -> SourceDown:
    """Why a connection is refused."""
    adapter = program.adapter(server.url, token=server.token if token is None else token)
    with pytest.raises(SourceDown) as caught:
        await adapter.connect()
    await adapter.close()
    return caught.value


# ------------------------------------------------------------------------------------------- connecting


@pytest.mark.parametrize("token", ["", "another"])
async def test_a_wrong_token_is_refused(program: Program, server: Any, token: str) -> None:
    down = await refused(program, server, token)
    assert down.state is SourceState.REFUSED
    assert "401" in down.why


async def test_another_program_is_foreign(program: Program, server: Any) -> None:
    server.junk = {"": b'{"ok": true}'}
    assert (await refused(program, server)).state is SourceState.FOREIGN


@pytest.mark.parametrize(("name", "path"), [*((name, "") for name in PROGRAMS), ("opencode", "/global/event")])
async def test_F442_a_redirect_is_not_followed_and_no_other_host_gets_the_token(name: str, path: str) -> None:
    program = PROGRAMS[name]
    async with listening(program.server()) as server, listening(program.server()) as other:
        server.moved = {path: f"http://127.0.0.1:{other.port}{path}"}
        down = await refused(program, server)
    assert (down.state, "302" in down.why) == (SourceState.FOREIGN, True)
    assert not other.reached


async def test_an_unknown_version_is_foreign(program: Program, server: Any) -> None:
    if isinstance(server, ReplayLangGraph):
        server.version = ""
    elif isinstance(server, ReplayCodex):
        server.version = "next"
    else:
        server.version = "2.0.0"
    assert (await refused(program, server)).state is SourceState.FOREIGN


async def test_nothing_that_listens_is_unreachable(program: Program, server: Any) -> None:
    await server.stop()
    down = await refused(program, server)
    assert down.state is SourceState.UNREACHABLE
    assert str(down).endswith(" cannot be reached: Connection refused"), down


async def test_a_server_that_answers_nothing_is_hung(
    program: Program, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codex_adapter, "CONNECT_S", 0.3)
    monkeypatch.setattr(web, "ANSWER_S", 0.3)
    server.silent = True
    down = await refused(program, server)
    server.silent = False
    assert down.state is SourceState.HUNG


async def test_F342_a_server_that_restarts_ends_the_connection_and_is_watched_again(
    program: Program, server: Any, adapter: Adapter
) -> None:
    await server.begin(KEY)
    await seen(adapter, state=WatchedState.RUNNING)
    await server.stop()

    async def noticed() -> bool:
        try:
            await adapter.events(0.01)
            await adapter.list()
        except SourceDown as down:
            return down.state is SourceState.UNREACHABLE
        return False

    await until(noticed, "the end of the connection")
    await server.listen()
    assert await adapter.connect() == server.version
    assert (await seen(adapter, state=WatchedState.RUNNING)).runs


# ------------------------------------------------------------------------------------------ what is seen


async def test_a_held_session_is_seen_with_its_run_and_since_when(server: Any, adapter: Adapter) -> None:
    before = await adapter.list()
    run = await server.begin(KEY)
    row = await seen(adapter, state=WatchedState.RUNNING, runs=(run,))
    assert before == []
    assert row.since is not None
    assert (row.last_sign or 0) >= row.since
    await server.end(KEY)
    assert (await seen(adapter, state=WatchedState.IDLE)).runs == ()
    second = await server.begin(KEY)
    await seen(adapter, runs=(second,))


async def test_a_run_that_began_before_is_named_as_well(program: Program, server: Any) -> None:
    run = await server.begin(KEY)
    async with connected(program, server) as late:
        row = await seen(late, state=WatchedState.RUNNING)
        assert row.runs == (run,)
        assert row.since is not None


# --------------------------------------------------------------------------------------------- freeing


async def test_F340_a_held_session_is_freed_by_one_abort_with_its_proof(
    program: Program, server: Any, adapter: Adapter
) -> None:
    run = await server.begin(KEY)
    freed = await free(adapter, await seen(adapter, runs=(run,)), reset=False)
    assert freed.outcome is Outcome.RELEASED, freed
    (step,) = freed.steps
    assert (step.step, step.claimed, bool(step.proof)) == (program.step, True, True)
    await seen(adapter, state=WatchedState.IDLE)
    await server.begin(KEY)
    await seen(adapter, state=WatchedState.RUNNING)


@pytest.mark.usefixtures("briefly")
async def test_F341_what_an_abort_claims_and_does_not_do_is_ineffective(server: Any, adapter: Adapter) -> None:
    run = await server.begin(KEY, ends=False)
    freed = await free(adapter, await seen(adapter, runs=(run,)), reset=True)
    assert (freed.outcome, freed.steps[0].claimed, freed.steps[0].proof) == (Outcome.INEFFECTIVE, True, None)


async def test_what_has_ended_meanwhile_is_not_held(server: Any, adapter: Adapter) -> None:
    run = await server.begin(KEY)
    row = await seen(adapter, runs=(run,))
    await server.end(KEY)
    freed = await free(adapter, row, reset=False)
    assert freed.outcome in (Outcome.NOT_HELD, Outcome.RELEASED)
    assert freed.steps[0].proof
    assert (await free(adapter, None, reset=False)).outcome is Outcome.NOT_HELD


async def test_a_server_that_is_gone_is_unreachable(server: Any, adapter: Adapter) -> None:
    run = await server.begin(KEY)
    row = await seen(adapter, runs=(run,))
    await server.stop()
    assert (await free(adapter, row, reset=False)).outcome is Outcome.UNREACHABLE


# ------------------------------------------------------------------------------------------- hostile


HOSTILE = "ses:\x1b]0;owned\x07/../../x?y#z"


async def test_F343_keys_with_escape_sequences_are_shown_escaped_and_aborted_by_what_they_are(
    program: Program, server: Any, adapter: Adapter
) -> None:
    if program.lists == "/search":  # a path of LangGraph takes no such name
        return
    run = await server.begin(HOSTILE)
    row = await seen(adapter, r"ses:\x1b]0;owned\x07/../../x?y#z", runs=(run,))
    assert row.key.isprintable()
    freed = await free(adapter, row, reset=False)
    assert freed.outcome is Outcome.RELEASED, freed


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 100_000,
        b"\x00nonsense",
        b'"text"',
        b"null",
        b"[7, null, [], {}]",
        b'{"ses_1": 7, "ses_2": {"type": 9}}',
        b'[{"thread_id": 7}, {"thread_id": "t", "status": ["busy"], "updated_at": {}}]',
        b'"' + b"x" * 10_000_000 + b'"',
    ],
    ids=["deep", "unclosed", "nonsense", "a text", "null", "a list", "wrong types", "wrong rows", "10 MB"],
)
async def test_F343_hostile_answers_are_left_out_or_told(
    program: Program, server: Any, adapter: Adapter, body: bytes
) -> None:
    await server.begin(KEY)
    await seen(adapter, state=WatchedState.RUNNING)
    if isinstance(server, ReplayCodex):
        await server.raw(body.decode("utf-8", "replace"))
        await server.raw('{"method":"thread/status/changed","params":' + body[:1000].decode("utf-8", "replace") + "}")
        await server.raw('{"id":[1],"method":7,"params":{"threadId":["x"],"status":"active"}}')
    else:
        if isinstance(server, ReplayOpencode):
            await server.raw(body[:1_000_000].decode("utf-8", "replace").replace("\n", " "))
        server.junk = {program.lists: body}
        with contextlib.suppress(SourceDown):
            assert all(row.key.isprintable() for row in await adapter.list())
        server.junk = {}
    await seen(adapter, state=WatchedState.RUNNING)


async def test_an_answer_of_codex_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(ReplayCodex()) as server, connected(PROGRAMS["codex"], server) as adapter:
        await server.begin("k" * 2_000)
        await adapter.list()
        monkeypatch.setattr(sockets, "MOST_READ", 1_000)
        await server.raw('{"method":"item/agentMessage/delta","params":"' + "x" * 2_000 + '"}')
        assert isinstance(adapter, CodexAdapter)
        await until(lambda: adapter._socket.unread["large"], "the frame to be left out")
        (row,) = await adapter.list()
        assert len(row.key) < 512


# --------------------------------------------------------------------------------------- opencode alone


@pytest.fixture
async def opencode() -> AsyncIterator[ReplayOpencode]:
    """A server of opencode."""
    async with listening(ReplayOpencode()) as found:
        yield found


async def test_F344_a_session_of_opencode_is_aborted_in_its_folder(opencode: ReplayOpencode) -> None:
    async with connected(PROGRAMS["opencode"], opencode) as adapter:
        run = await opencode.begin(KEY, ELSEWHERE)
        row = await seen(adapter, runs=(run,))
        assert (await free(adapter, row, reset=False)).outcome is Outcome.RELEASED
        assert opencode.aborted == [(KEY, ELSEWHERE)]


async def test_folders_of_opencode_that_nobody_works_in_are_not_loaded(opencode: ReplayOpencode) -> None:
    for number in range(30):
        opencode.sessions[f"ses_{number}"] = OpencodeSession(f"/srv/{number}")
    async with connected(PROGRAMS["opencode"], opencode) as adapter:
        assert len(await adapter.list()) == 30
        assert len(set(opencode.asked) - {HERE}) == 8


async def test_what_waits_in_opencode_is_counted_and_its_loss_announced(opencode: ReplayOpencode) -> None:
    async with connected(PROGRAMS["opencode"], opencode) as adapter:
        await adapter.list()
        run = await opencode.begin(KEY)
        await seen(adapter, runs=(run,), waiting=0)
        await opencode.enqueue(KEY)
        await opencode.enqueue(KEY)
        row = await seen(adapter, runs=(run,), waiting=2)
        assert possible_loss(row.waiting).startswith("2 waiting messages there may be lost")


@pytest.mark.usefixtures("briefly")
async def test_a_message_of_opencode_that_does_not_complete_is_no_proof(opencode: ReplayOpencode) -> None:
    async with connected(PROGRAMS["opencode"], opencode) as adapter:
        run = await opencode.begin(KEY)
        row = await seen(adapter, runs=(run,))
        opencode.sessions[KEY].completes = False
        assert (await free(adapter, row, reset=False)).outcome is Outcome.INEFFECTIVE


# ------------------------------------------------------------------------- what waits for a person


async def test_F345_what_waits_for_a_person_is_not_silent() -> None:
    at = 1_000_000

    async with listening(ReplayOpencode()) as server:
        opencode = OpencodeAdapter(server.url, token=server.token, clock=lambda: at)
        await opencode.connect()
        run = await server.begin(KEY)
        await seen(opencode, runs=(run,))
        await server.tell(KEY, "permission.asked", id="per_1")
        at = 9_000_000
        await seen(opencode, runs=(run,), last_sign=at)
        await opencode.close()
    async with listening(ReplayCodex()) as other:
        codex = CodexAdapter(other.url, token=other.token, clock=lambda: at)
        await codex.connect()
        await other.begin(KEY)
        other.threads[KEY].flags = ["waitingOnApproval"]
        assert (await seen(codex, state=WatchedState.RUNNING)).last_sign == at
        await codex.close()


# ------------------------------------------------------------------------------------- LangGraph alone


@pytest.mark.usefixtures("briefly")
async def test_F341_a_synchronous_node_of_langgraph_is_not_released_by_its_word() -> None:
    async with listening(ReplayLangGraph()) as server, connected(PROGRAMS["langgraph"], server) as adapter:
        server.synchronous = True
        run = await server.begin(KEY)
        waits = await server.begin(KEY)
        row = await seen(adapter, runs=(run,), waiting=1)
        freed = await free(adapter, row, reset=False)
        assert (freed.outcome, freed.steps[0].claimed) == (Outcome.INEFFECTIVE, True)
        assert "synchronous" in freed.steps[0].said
        await seen(adapter, runs=(waits,), waiting=0)


async def test_what_waits_for_a_worker_of_langgraph_is_not_held() -> None:
    async with listening(ReplayLangGraph()) as server, connected(PROGRAMS["langgraph"], server) as adapter:
        await server.begin(KEY)
        server.threads[KEY].runs[0]["status"] = "pending"
        await seen(adapter, state=WatchedState.IDLE, waiting=1)


async def test_a_server_on_another_machine_proves_nothing() -> None:
    adapter = LangGraphAdapter("https://langgraph.invalid")
    assert await adapter._connections() is None
    await asyncio.sleep(0)
    await adapter.close()


async def test_F1035_events_that_break_off_are_told_on_one_line() -> None:
    """The words of the library for it begin with a status of HTTP, and have two lines."""

    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\n5\r\n:")

    async with raw_server(answer) as url:
        there, ended = web.JsonWeb(url, {}), asyncio.Event()
        await there.listen("/events", lambda _: ended.set())
        await ended.wait()
        await there.close()
    assert str(there.ended) == f"{url} closed the connection (its answer ended in the middle)"


async def test_F1051_events_that_are_no_valid_http_end_the_stream() -> None:
    """The library closes the connection, and tells nobody who reads the body; its limit for silence ends with it."""

    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata:{}\n\n\r\n")
        await begun.wait()
        await call.say(b"zz\r\n")
        await call.until_left()

    begun = asyncio.Event()
    async with raw_server(answer) as url:
        there = web.JsonWeb(url, {})
        await there.listen("/events", lambda _: begun.set())
        assert there._stream is not None
        await there._stream
        await there.close()
    assert str(there.ended) == f"{url} closed the connection (Invalid character in chunk size:)"


async def test_F1051_a_stream_of_events_that_says_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "QUIET_S", 0.05)

    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await call.until_left()

    async with raw_server(answer) as url:
        there = web.JsonWeb(url, {})
        await there.listen("/events", lambda _: None)
        assert there._stream is not None
        await there._stream
        await there.close()
    assert str(there.ended) == f"{url} closed the connection (it sent nothing for 0.05 s)"
