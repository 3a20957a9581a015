"""The adapter of OpenClaw, against gateways that speak its protocol as it was measured."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lanes.records import Outcome
from lanes.watch.adapter import SourceDown
from lanes.watch.freeing import possible_loss
from lanes.watch.ladder import Freed, free
from lanes.watch.openclaw import view, wire
from lanes.watch.openclaw.adapter import OpenClawAdapter
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Sighting
from tests.kit.until import until
from tests.watch.openclaw import OF_5, OF_9, TOKEN, ReplayOpenClaw, replay

KEY = "agent:main:feishu:group:oc_d497"


@pytest.fixture(params=[OF_5, OF_9])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[ReplayOpenClaw]:
    """A gateway of each version."""
    async with replay(request.param) as found:
        yield found


@pytest.fixture
async def adapter(gateway: ReplayOpenClaw, tmp_path: Path) -> AsyncIterator[OpenClawAdapter]:
    """The adapter, paired and connected."""
    made = OpenClawAdapter("openclaw", gateway.url, tmp_path / "keys", token=TOKEN)
    await made.pair()
    yield made
    await made.close()


async def seen(adapter: OpenClawAdapter, *states: WatchedState) -> Sighting:
    """The session, once it is in one of these states."""

    async def look() -> list[Sighting]:
        return [row for row in await adapter.list() if row.state in states]

    return (await until(look, f"a session that is {states}"))[0]


# ---------------------------------------------------------------------------------------------- pairing


async def test_F336_a_device_is_paired_once_and_the_shared_token_is_never_stored(
    gateway: ReplayOpenClaw, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    first = OpenClawAdapter("openclaw", gateway.url, keys, token=TOKEN)
    assert await first.pair() == gateway.version
    await first.close()
    files = sorted(keys.iterdir())
    assert [file.name for file in files] == ["openclaw-aborter.json", "openclaw-viewer.json"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(TOKEN not in file.read_text() for file in files)
    gateway.secrets.clear()
    again = OpenClawAdapter("openclaw", gateway.url, keys)
    await again.pair()
    await again.close()
    assert TOKEN not in gateway.secrets
    assert len(gateway.secrets) == 2


async def test_only_the_aborter_may_do_more_than_read(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    await gateway.begin(KEY)
    await free(adapter, await seen(adapter, WatchedState.RUNNING), reset=False)
    scopes = {method: scopes for method, _, scopes in gateway.calls}
    assert scopes["sessions.list"] == ("operator.read",)
    assert "operator.admin" in scopes["sessions.abort"]


async def test_a_key_that_others_may_read_is_refused(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    paired = OpenClawAdapter("openclaw", gateway.url, tmp_path, token=TOKEN)
    await paired.pair()
    await paired.close()
    (tmp_path / "openclaw-viewer.json").chmod(0o644)
    with pytest.raises(SourceDown, match="can be read by others"):
        await OpenClawAdapter("openclaw", gateway.url, tmp_path).connect()


async def refused(gateway: ReplayOpenClaw, keys: Path, token: str = TOKEN) -> SourceDown:
    """Why a connection is refused."""
    adapter = OpenClawAdapter("openclaw", gateway.url, keys, token=token)
    with pytest.raises(SourceDown) as caught:
        await adapter.pair()
    await adapter.close()
    return caught.value


def kept(keys: Path) -> list[Path]:
    """The files of devices."""
    return list(keys.iterdir())


async def test_a_wrong_token_is_told(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    down = await refused(gateway, tmp_path, "another")
    assert (down.state, "AUTH_TOKEN_MISMATCH" in down.why) == (SourceState.REFUSED, True)
    assert not kept(tmp_path)


async def test_pairing_that_a_person_must_approve_is_told_with_its_command(
    gateway: ReplayOpenClaw, tmp_path: Path
) -> None:
    gateway.approves = False
    down = await refused(gateway, tmp_path)
    assert down.fix == "`openclaw devices approve req-7`"


async def test_a_missing_scope_is_told(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    gateway.grants = frozenset({"operator.read"})
    down = await refused(gateway, tmp_path)
    assert "did not grant operator.admin, operator.write" in down.why


async def test_a_revoked_device_is_to_be_paired_again(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    first = OpenClawAdapter("openclaw", gateway.url, tmp_path, token=TOKEN)
    await first.pair()
    await first.close()
    gateway._paired.clear()
    down = await refused(gateway, tmp_path)
    assert (down.state, "lanes watch add" in down.fix) == (SourceState.REFUSED, True)


async def test_F442_a_redirect_is_not_followed_and_no_other_host_gets_the_token(
    gateway: ReplayOpenClaw, tmp_path: Path
) -> None:
    async with replay(gateway.version) as other:
        gateway.moved = {"": f"http://127.0.0.1:{other.port}/"}
        down = await refused(gateway, tmp_path)
    assert (down.state, "302" in down.why) == (SourceState.FOREIGN, True)
    assert not other.reached


async def test_an_unknown_version_is_foreign(tmp_path: Path) -> None:
    async with replay("2027.1.1") as gateway:
        assert (await refused(gateway, tmp_path)).state is SourceState.FOREIGN


async def test_nothing_that_listens_is_unreachable(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    await gateway.stop()
    down = await refused(gateway, tmp_path)
    assert down.state is SourceState.UNREACHABLE
    assert str(down).endswith(" cannot be reached: Connection refused"), down


async def test_a_gateway_that_answers_nothing_is_hung(
    gateway: ReplayOpenClaw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CONNECT_S", 0.3)
    gateway.silent = True
    down = await refused(gateway, tmp_path)
    gateway.silent = False
    assert down.state is SourceState.HUNG


# -------------------------------------------------------------------------------------------- what is seen


async def test_a_held_session_is_seen_with_its_run_its_age_and_what_waits(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    run = await gateway.begin(KEY)
    gateway.enqueue(KEY, "second")
    gateway.enqueue(KEY, "third")
    row = await seen(adapter, WatchedState.RUNNING)
    assert (row.key, row.runs, row.waiting) == (KEY, (run,), 2)
    assert row.since == gateway.sessions[KEY].started
    await gateway.end(KEY, "done")
    row = await seen(adapter, WatchedState.IDLE)
    assert (row.runs, row.outcome, row.waiting) == ((), "done", None)


async def test_F301_2026_5_does_not_tell_that_nothing_waits(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    """What is written to its chat is steered into the run, which no queue counts, and may be lost with it."""
    await gateway.begin(KEY)
    gateway._note(KEY, "enqueue", 1)
    row = await seen(adapter, WatchedState.RUNNING)
    assert row.waiting == (None if gateway.version == OF_5 else 0)
    assert bool(possible_loss(row.waiting)) is (gateway.version == OF_5)


async def test_a_run_is_known_by_its_event_where_the_list_does_not_name_it(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    run = await gateway.begin(KEY)
    gateway.sessions[KEY].named = False
    assert (await seen(adapter, WatchedState.RUNNING)).runs == (run,)


async def test_a_run_that_its_gateway_does_not_count_is_a_ghost(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "GHOST_MS", 10)
    run = await gateway.begin(KEY, ends_by="steer")
    assert (await seen(adapter, WatchedState.GHOST)).runs == (run,)


async def test_a_row_that_was_left_at_running_is_no_ghost(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    await gateway.begin(KEY, ends_by="steer")
    await gateway.end(KEY, "running")
    gateway.sessions[KEY].ended = None
    assert (await seen(adapter, WatchedState.STALE, WatchedState.GHOST)).state is WatchedState.STALE


async def test_an_end_without_a_session_ends_its_run_and_what_follows_opens_none(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    run = await gateway.begin(KEY)
    await seen(adapter, WatchedState.RUNNING)
    gateway.sessions[KEY].run, gateway.sessions[KEY].status = None, "done"
    await gateway.tell("agent", runId=run, stream="lifecycle", data={"phase": "end"})
    await gateway.tell("agent", runId=run, sessionKey=KEY, stream="lifecycle", data={"phase": "model"})
    assert (await seen(adapter, WatchedState.IDLE)).runs == ()


async def test_a_run_that_was_seen_before_is_recalled(gateway: ReplayOpenClaw, tmp_path: Path) -> None:
    run = await gateway.begin(KEY)
    gateway.sessions[KEY].named = False
    late = OpenClawAdapter("openclaw", gateway.url, tmp_path, token=TOKEN)
    await late.connect()
    assert (await seen(late, WatchedState.RUNNING)).runs == ()
    late.recall([Sighting(KEY, WatchedState.RUNNING, (run,), gateway.sessions[KEY].started)])
    assert (await seen(late, WatchedState.RUNNING)).runs == (run,)
    await gateway.end(KEY, "done")
    await seen(late, WatchedState.IDLE)
    await late.close()


async def test_a_gateway_that_restarts_ends_the_connection_and_takes_the_next(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    await gateway.stop()

    async def noticed() -> bool:
        try:
            await adapter.events(0.05)
        except SourceDown as down:
            return down.state is SourceState.UNREACHABLE
        return False

    await until(noticed, "the end of the connection")
    await gateway.listen()
    assert await adapter.connect() == gateway.version


# ------------------------------------------------------------------------------------------- hostile frames


async def test_F335_frames_that_are_huge_deep_or_no_json_are_left_out(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    event = {"type": "event", "event": "chat", "payload": {"sessionKey": KEY, "text": "x" * 10_000_000}}
    for text in (json.dumps(event), "[" * 200_000 + "]" * 200_000, '{"a":' * 100_000, "\x00nonsense", "[]", '"text"'):
        await gateway.raw(text)
    await gateway.tell("agent", sessionKey=7)
    await gateway.tell("agent", sessionKey=KEY, stream="lifecycle", data=[], runId=None)
    await gateway.begin(KEY)
    assert (await seen(adapter, WatchedState.RUNNING)).key == KEY
    assert adapter._link is not None
    assert adapter._link.unread["large"] == 1
    assert adapter._link.unread["malformed"] >= 4


async def test_F335_keys_with_escape_sequences_are_shown_escaped_and_aborted_by_what_they_are(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    hostile = "agent:\x1b]0;owned\x07:" + "k" * 600
    await gateway.begin(hostile)
    row = await seen(adapter, WatchedState.RUNNING)
    assert row.key.startswith(r"agent:\x1b]0;owned\x07:")
    assert row.key.isprintable()
    assert len(row.key) < 512
    assert (await free(adapter, row, reset=False)).outcome is Outcome.RELEASED
    assert gateway.asked("sessions.abort")[-1]["key"] == hostile


async def test_rows_of_the_wrong_types_are_read_as_far_as_they_go(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    await gateway.begin(KEY)
    session = gateway.sessions[KEY]
    session.started, session.status = True, ["running"]  # type: ignore[assignment]
    row = await seen(adapter, WatchedState.RUNNING)
    assert row.key == KEY


# ------------------------------------------------------------------------------------------------ freeing


async def test_F331_an_abort_by_run_id_keeps_what_waits(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    run = await gateway.begin(KEY)
    gateway.enqueue(KEY, "second")
    freed = await free(adapter, await seen(adapter, WatchedState.RUNNING), reset=False)
    assert (freed.outcome, [step.step for step in freed.steps]) == (Outcome.RELEASED, ["abort by run id"])
    assert freed.steps[0].proof == f"the end of run {run} was seen"
    assert gateway.sessions[KEY].waiting == ["second"]


@pytest.mark.parametrize("ends_before", [False, True])
async def test_F298_a_run_whose_end_was_seen_is_over_though_the_next_one_holds_its_session(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw, monkeypatch: pytest.MonkeyPatch, ends_before: bool
) -> None:
    """A busy gateway takes seconds to name the next run, which no stronger way may cut."""
    run = await gateway.begin(KEY)
    row = await seen(adapter, WatchedState.RUNNING)
    end = gateway.end

    async def goes_on(key: str, status: str, *, quiet: bool = False) -> None:
        await end(key, status, quiet=quiet)
        await gateway.begin(key, told=False)
        gateway.sessions[key].named = False

    monkeypatch.setattr(gateway, "end", goes_on)
    if ends_before:
        await gateway.end(KEY, "done")
    freed = await free(adapter, row, reset=False)
    assert freed.outcome is (Outcome.NOT_HELD if ends_before else Outcome.RELEASED)
    assert [(step.step, step.proof) for step in freed.steps] == [("abort by run id", f"the end of run {run} was seen")]
    assert [each.get("runId") for each in gateway.asked("sessions.abort")] == [run]


async def test_a_session_without_a_known_run_is_aborted_by_its_key_and_the_loss_is_announced(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    await gateway.begin(KEY, told=False)
    gateway.sessions[KEY].named = False
    gateway.enqueue(KEY, "second")
    row = await seen(adapter, WatchedState.RUNNING)
    assert possible_loss(row.waiting).startswith("1 waiting message there may be lost")
    freed = await free(adapter, row, reset=False)
    assert (freed.outcome, freed.steps[0].step) == (Outcome.RELEASED, "abort by session")


async def ghost_freed(tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Freed, ReplayOpenClaw]:
    """What comes of freeing a follow-up ghost."""
    monkeypatch.setattr(view, "GHOST_MS", 10)
    async with replay(version) as gateway:
        adapter = OpenClawAdapter("openclaw", gateway.url, tmp_path, token=TOKEN)
        await adapter.pair()
        await gateway.begin(KEY, ends_by="steer")
        freed = await free(adapter, await seen(adapter, WatchedState.GHOST), reset=False)
        if freed.outcome is Outcome.RELEASED:
            assert (await seen(adapter, WatchedState.STALE, WatchedState.IDLE)).runs == ()
        await adapter.close()
        return freed, gateway


async def test_F332_a_follow_up_ghost_of_2026_5_is_ended_by_steering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed, gateway = await ghost_freed(tmp_path, OF_5, monkeypatch)
    assert freed.outcome is Outcome.RELEASED
    assert [(step.step, step.claimed) for step in freed.steps] == [
        ("abort by run id", False),
        ("steer with /stop", True),
    ]
    assert gateway.asked("sessions.steer")[0]["message"] == "/stop"


async def test_F333_what_nothing_ends_is_ineffective_and_a_reset_is_never_done_unasked(
    adapter: OpenClawAdapter, gateway: ReplayOpenClaw
) -> None:
    await gateway.begin(KEY, ends_by="nothing")
    row = await seen(adapter, WatchedState.RUNNING)
    freed = await free(adapter, row, reset=False)
    assert freed.outcome is Outcome.INEFFECTIVE
    assert not gateway.asked("sessions.reset")
    assert (await free(adapter, row, reset=True)).outcome is Outcome.RELEASED


async def test_what_has_ended_meanwhile_is_not_held(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    await gateway.begin(KEY)
    row = await seen(adapter, WatchedState.RUNNING)
    await gateway.end(KEY, "done")
    assert (await free(adapter, row, reset=False)).outcome is Outcome.NOT_HELD
    assert (await free(adapter, None, reset=False)).outcome is Outcome.NOT_HELD


async def test_a_gateway_that_is_gone_is_unreachable(adapter: OpenClawAdapter, gateway: ReplayOpenClaw) -> None:
    await gateway.begin(KEY)
    row = await seen(adapter, WatchedState.RUNNING)
    await gateway.stop()
    await asyncio.sleep(0)
    assert (await free(adapter, row, reset=False)).outcome is Outcome.UNREACHABLE
