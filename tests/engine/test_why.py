"""What ``why`` says of a held lane and its limits is what the judges will do."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from lanes.base.procedure import run
from lanes.config import Config, from_data
from lanes.context import Context
from lanes.host.identity import ProcessSighting, identity_of, look, this_process
from lanes.records import Lane, NextLimit, Why
from lanes.testing import HOUR, MINUTE, SECOND
from lanes.verbs import queries
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted
from lanes_storage.law import MAX_INTERRUPTIONS, MAX_SUSPECTS, BoundTo, Cause
from lanes_storage.records import Admission, AttemptPhase, Beat, NewMessage, RunFailure, Ticket, Waiter
from tests.kit.cooling import cool
from tests.kit.processes import eventually
from tests.kit.world import OWNER, TERMS, World

STALL_LIMIT = TERMS.stall_timeout_ms or 0


def why(world: World, key: str = "a") -> str:
    return run(world.store, queries.why(Context("me", world.time), key)).why


def lane(world: World) -> Lane:
    return run(world.store, queries.show(Context("me", world.time), "a")).lane


def tell(world: World, ticket: Ticket, *, busy_ms: int | None = None, ended: bool = False) -> None:
    """A heartbeat that names the run, as of now."""
    now = world.time()
    busy = None if busy_ms is None else now.boot + busy_ms
    beat = Beat(ticket, "content", now.boot, now.wall, busy, None, now.slept, now.wall if ended else None)
    world.step(doors.heartbeat(world.me, [beat], now))


def asks(world: World, ticket: Ticket, **more: Any) -> None:
    """A heartbeat that names the run, which begins to ask a provider."""
    now = world.time()
    phase = AttemptPhase("main", "first_byte_timeout", 45 * SECOND, 1, 2, "backup", 55 * SECOND)
    phase = phase._replace(at=now.wall, boot=now.boot, slept=now.slept)._replace(**more)
    beat = Beat(ticket, "model_call:started", now.boot, now.wall, None, None, now.slept, None, phase)
    world.step(doors.heartbeat(world.me, [beat], now))


def alive(world: World) -> None:
    """The owner lives on, and its runs are as they were."""
    now = world.time()
    runs = [run for run in world.store.read(reads.open_runs()) if run.owner_id == world.me]
    beats = [
        Beat(
            run.ticket, run.progress, run.progress_boot, run.progress_at, run.busy_until_boot,
            None, run.progress_slept_ms, run.body_ended_at, run.attempt,
        )
        for run in runs
    ]  # fmt: skip
    world.step(doors.heartbeat(world.me, beats, now))


def test_it_names_the_attempt_its_limit_that_acts_first_and_who_is_asked_then(world: World) -> None:
    asks(world, world.start("a").ticket)
    world.time.move(12 * SECOND)
    said = why(world)
    assert (
        "It asks provider main (1 of 2), which has been silent for 12 s: first_byte_timeout (45 s) acts in 33 s, then"
        " backup is asked. If none answers, the run fails within 1m 28s. It expires in 4m 48s (run_timeout 5m 0s)."
    ) in said
    assert "stall" not in said, "its clock begins again with the next provider"
    shown = lane(world)
    assert shown.acts_next == NextLimit(
        "first_byte_timeout", 45 * SECOND, 33 * SECOND, "main", 1, 2, "backup", 88 * SECOND
    )


def test_F563_a_gateway_that_lives_and_stores_nothing_is_told_with_where_to_look(world: World) -> None:
    """Such as on a full disk: what its run has done since is not in the file, however much that has come to."""
    owner = world.owner(**this_process()._asdict())
    world.start("a", owner=owner)
    world.step(lambda tx: doors.end_owner(tx, world.me, world.time(), cause="stopped", by="tester"))
    world.send("b")
    kept = "`lanes doctor` says whether a full disk or a lock keeps it from storing"
    world.time.move(OWNER.heartbeat_interval_ms)
    assert kept not in why(world)
    assert "as soon as a run slot" in why(world, "b")
    world.time.move(2 * OWNER.heartbeat_interval_ms)
    assert kept in why(world)
    assert "No gateway has stored a heartbeat for 15 s. Its process lives: " + kept in why(world, "b")
    assert "as soon as a run slot" not in why(world, "b"), "nothing is known of that"
    world.time.move(OWNER.stale_after_ms)
    assert kept in why(world)


def test_content_moves_the_end_of_the_attempt_and_the_last_of_a_chain_is_followed_by_nobody(world: World) -> None:
    ticket = world.start("a").ticket
    begun = world.time()
    asks(world, ticket, limit="idle_timeout", number=2, next=None, rest_ms=0)
    world.time.move(40 * SECOND)
    since = {"at": begun.wall, "boot": begun.boot, "slept": begun.slept}
    asks(world, ticket, limit="idle_timeout", number=2, next=None, rest_ms=0, **since)  # with progress just now
    world.time.move(5 * SECOND)
    assert (
        "main (2 of 2), which has been silent for 5 s: idle_timeout (45 s) acts in 40 s, and the run fails: nobody"
        " is asked after that."
    ) in why(world)


@pytest.mark.parametrize(
    ("of", "told"), [(1, "waits: nobody"), (2, "waits, unless another provider of its chain failed otherwise: nobody")]
)
def test_F733_a_message_whose_last_provider_cannot_be_connected_to_waits(world: World, of: int, told: str) -> None:
    asks(world, world.start("a").ticket, limit="connect_timeout", number=of, of=of, next=None, rest_ms=45 * SECOND)
    assert f"connect_timeout (45 s) acts in 45 s, and its message {told} is asked after that." in why(world)


def test_a_run_timeout_that_comes_first_ends_the_chain(world: World) -> None:
    ticket = world.start("a").ticket
    world.time.move(4 * MINUTE)
    asks(world, ticket)
    said = why(world)
    assert "first_byte_timeout (45 s) acts in 45 s, then backup is asked. If none answers, the run fails" in said
    assert "fails within 1m 0s." in said
    world.time.move(20 * SECOND)
    asks(world, ticket)
    shown = lane(world).acts_next
    assert shown is not None
    assert (shown.limit, shown.left_ms, shown.provider) == ("run_timeout", 40 * SECOND, None)


def test_where_nobody_lives_it_promises_nothing_and_says_what_to_do(world: World) -> None:
    ticket = world.start("a").ticket
    world.send("a")
    world.pause("b", until=world.time().wall + HOUR)
    world.send("b")
    world.time.move(OWNER.stale_after_ms + SECOND)
    said = why(world)
    assert "no gateway lives that would end the run or take the lane back: start one, or run `lanes reconcile" in said
    assert "expires" not in said
    assert lane(world).acts_next is None
    assert "No gateway claims anything now: gateway" in why(world, "b")
    assert "To go on without it, start one (`lanes gateway --db " in why(world, "b"), (
        "it is on a host that cannot be seen here"
    )
    world.request_abort("a")
    assert "no gateway lives that would end it, but `lanes abort a --epoch " in why(world)
    world.end_owner(world.me)
    assert "Its owner has ended: a reconcile pass (start a gateway, or run `lanes reconcile`)" in why(world)
    assert "No gateway lives, so nothing is claimed" in why(world, "b")
    world.reclaim(ticket)
    world.send("c")
    world.drop(world.send("d"))
    assert "No gateway lives, so nothing is claimed" in why(world, "d"), "nor does a next message start at once"


def test_a_stopped_gateway_is_told_as_that_and_how_it_goes_on(world: World) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        named = identity_of(child.pid)._asdict()
        owner = world.owner(**named)
        world.end_owner(world.me)
        world.start("a", owner=owner)
        world.send("b")
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: look(world.owner_row(owner), this_process()) is ProcessSighting.STOPPED, "the stop")
        cure = f"process {child.pid} on this host is stopped: `kill -CONT {child.pid}` lets it go on"
        for key in "ab":
            said = why(world, key)
            assert cure in said
            assert "expires" not in said
            assert "as soon as" not in said
        assert "no gateway lives that would end the run or take the lane back: let it go on, or run" in why(world)
        world.owner()
        assert "no gateway lives that would" not in why(world), "another one takes the lane once it is silent"
    finally:
        child.kill()
        child.communicate()


def test_it_names_the_lanes_that_have_the_slots_and_what_frees_the_first(world: World) -> None:
    for key in "abcd":
        ticket = world.start(key).ticket
        world.time.move(SECOND)
        asks(world, ticket, rest_ms=0, next=None)
    world.start("other", runner="coder")
    world.send("e", runner="chat")
    world.time.move(20 * SECOND)
    said = why(world, "e")
    assert (
        "Slots are held by 4 lanes, longest silent first: a (runner chat, silent for 23 s), b (runner chat, silent for"
        " 22 s), c (runner chat, silent for 21 s) and 1 more. A limit frees the first of them within 22 s"
        " (first_byte_timeout); `lanes abort a --epoch"
    ) in said
    assert "other" not in said


def test_F622_it_names_the_limit_for_messages_that_may_kill_their_gateway(world: World) -> None:
    for number in range(MAX_SUSPECTS):
        world.interrupted(f"s{number}", MAX_INTERRUPTIONS - 1)
        claimed = world.claim(f"s{number}")
    world.interrupted("suspect", MAX_INTERRUPTIONS - 1)
    world.interrupted("other", MAX_INTERRUPTIONS - 2)
    said = why(world, "suspect")
    assert "interrupted 2 times, and 8 messages like that run already (at most 8 at a time)" in said
    assert "as soon as a run slot" not in said
    assert "as soon as a run slot" in why(world, "other")
    world.complete(claimed.ticket)
    assert "as soon as a run slot" in why(world, "suspect")


def test_it_prints_the_command_that_ends_this_run_and_no_other(world: World) -> None:
    ticket = world.start("agent:main:it's").ticket
    assert f"""`lanes abort 'agent:main:it'"'"'s' --epoch {ticket.epoch}`""" in why(world, "agent:main:it's")
    world.complete(ticket)
    assert "lanes abort" not in why(world, "agent:main:it's")


def test_it_tells_when_each_limit_ends_the_run(world: World) -> None:
    tell(world, world.start("a").ticket)
    world.time.move(30 * SECOND)
    alive(world)
    said = why(world)
    assert "It expires in 4m 30s (run_timeout 5m 0s)" in said
    assert "it stalls in 1m 30s without progress (stall_timeout 2m 0s)." in said


def test_a_limit_that_has_passed_is_not_told_as_one_to_come(world: World) -> None:
    world.start("a")
    world.time.move(STALL_LIMIT + 3 * SECOND)
    alive(world)
    assert "it stalls now, 3 s past its limit (stall_timeout 2m 0s)." in why(world)


def test_F108_it_counts_no_sleep(world: World) -> None:
    ticket = world.start("a").ticket
    tell(world, ticket, busy_ms=50 * SECOND)
    world.time.move(20 * SECOND)
    world.time.sleep(HOUR)
    said = why(world)
    assert "has held it for 20 s; its last sign was “content”, 20 s ago." in said
    assert "last heartbeat 20 s ago" in said
    assert "It expires in 4m 40s" in said
    assert "it said that it is busy for another 30 s." in said


def test_F109_it_says_for_what_a_run_waits_and_whether_anybody_waits_there_still(world: World) -> None:
    """And never that it stalls in 0 ms."""
    ticket, other = world.start("a").ticket, world.send("b")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    waiter = Waiter(ticket.run_id, identity_of(child.pid))
    world.step(lambda tx: doors.begin_wait(tx, waiter, other, world.time()))
    world.time.move(2 * STALL_LIMIT)
    alive(world)
    world.time.move(SECOND)
    said = why(world)
    assert f"It waits for message {other} of lane b (process {child.pid} on this host is alive)." in said
    assert "it is not stalled while it waits." in said
    child.communicate(b"\n")
    said = why(world)
    assert f"It waits for message {other} of lane b, but process {child.pid} on this host is gone:" in said
    assert "a reconcile pass" in said or "the next reconcile pass" in said
    assert "it stalls" in said
    assert "0 ms" not in said


def test_F107_it_says_of_a_run_whose_work_has_ended_that_no_limit_ends_it(world: World) -> None:
    tell(world, world.start("a").ticket, ended=True)
    world.time.move(HOUR)
    alive(world)
    said = why(world)
    assert "Its work ended 1h 0m ago; no limit ends it any more, while its end waits to be stored." in said
    assert "expires" not in said


def test_a_failure_that_is_a_whole_sentence_ends_with_one_full_stop(world: World) -> None:
    claimed = world.start("a")
    world.fail(claimed.ticket, RunFailure(Cause.read("agent_error"), "codex: try again in 3s."))
    assert "ended agent_error, 0 ms ago: codex: try again in 3s. The next message starts at once." in why(world)


def why_configured(world: World, key: str) -> str:
    """The same where a policy names the runner of keys that begin with ``code``."""
    provider = {"name": "main", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    runners = [{"name": name, "kind": "provider", "providers": ["main"]} for name in ("chat", "coder")]
    policy = {"match": "code*", "runner": "coder"}
    return why_by(world, key, from_data({"provider": [provider], "runner": runners, "policy": [policy]}))


def why_by(world: World, key: str, config: Config) -> str:
    """The same with that configuration."""
    return run(world.store, queries.why(Context("me", world.time, lambda: config), key)).why


def test_F757_a_request_that_is_passed_on_waits_for_no_provider(world: World) -> None:
    """Its client is told, and asks again."""
    config = from_data(
        {
            "provider": [{"name": "main", "base_url": "http://127.0.0.1:9/v1", "model": "m"}],
            "source": [{"name": "bot", "provider": "main", "token_env": "TOKEN"}],
        },
        env={"TOKEN": "t" * 32},
    )

    for key, runner, told in (("a", "bot", "and the run fails:"), ("b", "chat", "and its message waits:")):
        ticket = world.start(key, runner=runner).ticket
        asks(world, ticket, limit="connect_timeout", number=1, of=1, next=None, rest_ms=0)
        assert told in why_by(world, key, config)


def test_F758_a_lane_in_which_nothing_waits_is_told_of_the_providers_that_it_may_ask(world: World) -> None:
    """Where all of them cool, its next message does not start at once."""
    providers = [{"name": name, "base_url": "http://127.0.0.1:9/v1", "model": "m"} for name in ("one", "two", "three")]
    runners = [
        {"name": "chat", "kind": "provider", "providers": ["one", "two"]},
        {"name": "other", "kind": "provider", "providers": ["three"]},
    ]
    source = {"name": "bot", "provider": "one", "token_env": "TOKEN"}
    config = from_data({"provider": providers, "runner": runners, "source": [source]}, env={"TOKEN": "t" * 32})

    def said(key: str = "a") -> str:
        return why_by(world, key, config)

    def cools(provider: str) -> None:
        world.step(lambda tx: cool(tx, provider, "overloaded", SECOND, world.time()))

    world.complete(world.start("a").ticket)
    world.drop(world.send("b", source="bot"))
    cools("three")
    assert "The next message starts at once. " in said()
    cools("one")
    assert "The next message starts at once; provider one cools for 1 s (overloaded: it refuses). " in said()
    cools("two")
    cool_both = (f"provider {name} cools for 1 s (overloaded: it refuses)" for name in ("one", "two"))
    waits = f"The next message waits; {', '.join(cool_both)}. "
    assert waits in said()
    assert "The next message starts at once. " in said("b"), "what is passed on waits for none"
    cause = RunFailure(Cause.PROVIDER_COOLING, "one: overloaded (it refuses); two: overloaded (it refuses)")
    world.fail(world.start("c").ticket, cause)
    assert "The next message waits; provider one cools for 1 s, provider two cools for 1 s. " in said("c")


def test_F961_where_every_provider_cools_a_slot_would_free_nothing(world: World) -> None:
    """It named who has the slots of the runner, and the command that ends such a run."""
    provider = {"name": "one", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    runner = {"name": "chat", "kind": "provider", "providers": ["one"]}
    config = from_data({"provider": [provider], "runner": [runner]}, env={})
    world.start("a", runner="chat")
    world.send("b")
    assert "Slots are held by 1 lane" in why_by(world, "b", config)
    world.step(lambda tx: cool(tx, "one", "overloaded", SECOND, world.time()))
    said = why_by(world, "b", config)
    assert "It starts once one of its providers is asked again: provider one cools for 1 s" in said
    assert "lanes abort" not in said


def test_F719_it_names_only_who_has_a_slot_of_the_runner_that_the_head_waits_for(world: World) -> None:
    """To abort a lane of another runner would free nothing for it."""
    world.start("a", runner="chat")
    world.send("code:1")
    assert "Slots are held" not in why_configured(world, "code:1")
    ticket = world.start("code:2", runner="coder").ticket
    said = why_configured(world, "code:1")
    assert "Slots are held by 1 lane, longest silent first: code:2 (runner coder" in said
    assert f"`lanes abort code:2 --epoch {ticket.epoch}` frees one now." in said
    world.send("b", runner="coder")
    assert "Slots are held by 1 lane, longest silent first: code:2" in why_configured(world, "b"), "its message says so"


def test_F719_what_is_bound_to_a_client_waits_for_the_slots_of_its_gateway(world: World) -> None:
    """As every request to ``/v1`` is; the slots of another gateway are none for it."""
    other = world.owner(pid=4712)
    world.start("b", owner=other)
    world.send("a", bound_to=BoundTo.CLIENT, bound_owner=world.me)
    bound = f"Its head is bound to the connection or process of owner {world.me}, which"
    assert f"{bound} alone may claim it. Nothing in the database keeps it from being claimed" in why(world)
    assert "Slots are held" not in why(world)
    world.start("c")
    assert "Slots are held by 1 lane, longest silent first: c (runner chat" in why(world)
    world.step(lambda tx: doors.drain(tx, world.me, world.time(), by="alice", until=world.time().wall + HOUR))
    assert "Lane a is idle and nothing waits." in why(world), "it has ended: only that gateway could have claimed it"
    assert "Nothing in the database" not in why(world)


def test_F719_a_hold_needs_no_gateway(world: World) -> None:
    desk = world.owner(kind="desk", pid=4712, runners=())
    world.send("a", None, runner="hold-1", bound_to=BoundTo.WAITER, bound_owner=desk)
    world.end_owner(world.me)
    assert "which alone may claim it. Nothing in the database keeps it" in why(world)
    assert "gateway" not in why(world)
    world.time.move(OWNER.stale_after_ms)
    said = why(world)
    assert "which alone may claim it, and which has been silent for 30 s" in said
    assert "start one" not in said


def test_F720_of_a_session_it_says_what_keeps_its_first_message_and_not_only_what_runs(world: World) -> None:
    request = NewMessage("a", request='{"messages": []}', actor="sender")

    def ask() -> int:
        admission = Admission(20, concurrency=2)
        accepted = world.step(lambda tx: doors.enter_beside(tx, request, admission, world.time()))
        assert isinstance(accepted, Accepted)
        return accepted.message_id

    def said() -> Why:
        return run(world.store, queries.why(Context("me", world.time), "a"))

    ask(), ask()
    first, second = (world.claim(f"a\x1f{number}").ticket for number in (1, 2))
    world.park(second)
    told = said()
    assert f"Run {first.run_id} of runner chat has held it" in told.why
    apart = "Its head is parked for another 1m 0s, then it is claimed again."
    assert f"The first of them waits on another child lane. {apart}" in told.why
    assert told.held_up == apart
    world.time.move(2 * MINUTE)
    again = world.claim("a\x1f2").ticket
    behind_the_first, _ = ask(), ask()
    world.drop(behind_the_first)
    told = said()
    assert told.held_up is not None
    assert told.held_up.startswith(f"Run {again.run_id} of runner chat has held it for 0 ms;")
    assert f"The first of them waits on another child lane. {told.held_up}" in told.why


def test_a_lane_that_is_held_and_paused_is_told_as_both(world: World) -> None:
    world.start("a")
    world.send("a")
    world.pause("a", reason="to look")
    said = why(world)
    assert "1 message waits, the first for 0 ms. It is paused until `lanes resume a` (by alice" in said


def test_a_gateway_that_drains_cuts_the_run_before_its_limits_end_it(world: World) -> None:
    tell(world, world.start("a").ticket)
    until = world.time().wall + 25 * SECOND
    world.step(lambda tx: doors.drain(tx, world.me, world.time(), by="alice", until=until))
    world.time.move(5 * SECOND)
    alive(world)
    assert "Its owner drains (by alice) and cuts what still runs in 20 s. It expires in 4m 55s" in why(world)
    world.time.move(20 * SECOND)
    alive(world)
    assert "cuts what still runs now." in why(world)


def test_where_no_gateway_claims_it_says_what_to_do_about_that(world: World) -> None:
    world.send("a")
    world.step(lambda tx: doors.drain(tx, world.me, world.time(), by="alice", until=world.time().wall + HOUR))
    assert "draining and claims nothing new: start another one (`lanes gateway --db " in why(world)
    world.drop(world.send("b"))
    assert "at once" not in why(world, "b"), "nor does a next message start"
    world.end_owner(world.me)
    world.owner(**this_process()._asdict())
    assert "claims nothing" not in why(world)
    world.time.move(OWNER.stale_after_ms)
    assert "is alive. Its process lives: `lanes doctor` says whether a full disk or a lock" in why(world)


def test_where_no_gateway_lives_nothing_ends_a_head_at_its_time(world: World) -> None:
    world.send("a", max_wait_ms=MINUTE)
    assert "Its head ends failed (expired) in 1m 0s if it still waits then." in why(world)
    world.end_owner(world.me)
    assert "Its head may wait for another 1m 0s: a gateway that starts later ends it as failed (expired)." in why(world)
    world.time.move(HOUR)
    assert "Its head has waited too long: the next gateway that starts ends it as failed (expired)." in why(world)
