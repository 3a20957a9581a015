"""A command run's process group is stored before its child may start; what may survive it pauses the lane."""

import pytest

from lanes.testing import MINUTE
from lanes_storage import doors, reads
from lanes_storage.interface import Query, Transaction
from lanes_storage.law import OnInterrupt, OnSurvivors, PauseKind, RunnerKind
from lanes_storage.records import Claimed, Ticket
from tests.kit.watch import Watch
from tests.kit.world import PROCESS, TERMS, World


def command(world: World, key: str = "a", policy: OnSurvivors = OnSurvivors.PAUSE) -> Claimed:
    terms = TERMS._replace(on_survivors=policy)
    return world.start(key, kind=RunnerKind.COMMAND, runner="coder", terms=terms)


# ------------------------------------------------------------------------------------ process group


def test_the_process_group_is_stored_with_the_run(world: World) -> None:
    ticket, other = command(world).ticket, command(world, "b").ticket
    seen = Watch(world)
    assert world.attach_process(ticket, PROCESS, 4242)
    run = world.run(ticket)
    assert (run.process_host, run.process_boot_id, run.process_group) == (PROCESS.host, PROCESS.boot_id, 4242)
    assert (run.process_pid, run.process_start_time) == (PROCESS.pid, PROCESS.start_time)
    assert world.run(other).process_group is None
    assert seen.changed() == {"runs": 1}


def test_a_child_must_not_start_once_the_lane_is_lost(world: World) -> None:
    ticket = command(world).ticket
    world.reclaim(ticket)
    seen = Watch(world)
    assert not world.attach_process(ticket)
    assert seen.nothing()


def test_a_child_must_not_start_once_an_abort_was_requested(world: World) -> None:
    ticket = command(world).ticket
    world.request_abort("a")
    assert not world.attach_process(ticket)
    assert world.run(ticket).process_group is None


def test_a_child_must_not_start_under_another_epoch(world: World) -> None:
    ticket = command(world).ticket
    command(world, "b")
    assert not world.attach_process(Ticket(ticket.run_id, ticket.epoch + 1))
    assert not world.attach_process(Ticket(4711, 4711))


# ---------------------------------------------------------------------------------------- the pause


@pytest.mark.parametrize("edge", ["reclaim", "expire", "abort"])
def test_a_forced_release_of_a_command_run_pauses_its_lane_in_the_same_step(world: World, edge: str) -> None:
    ticket = command(world).ticket
    world.send("a", "waits")
    if edge == "abort":
        world.request_abort("a")
    seen = Watch(world)
    match edge:
        case "reclaim":
            release = world.reclaim(ticket)
        case "expire":
            release = world.expire(ticket, forced=True)
        case _:
            release = world.abort(ticket, forced=True)
    pause = world.lane("a").pause
    assert release.paused
    assert pause is not None
    assert (pause.reason, pause.actor, pause.until) == ("survivors", "tester", None)
    assert [line.type for line in seen.lines()] == [edge, "paused"]
    assert seen.events()[1].detail == {"reason": "survivors", "until": None}
    assert seen.changed()["lanes"] == 1
    assert world.candidates() == []


def test_a_confirmed_release_of_a_command_run_pauses_nothing(world: World) -> None:
    ticket = command(world).ticket
    assert not world.expire(ticket).paused
    assert world.lane("a").pause is None


def test_policy_start_pauses_nothing(world: World) -> None:
    ticket = command(world, policy=OnSurvivors.START).ticket
    assert not world.reclaim(ticket).paused
    assert world.lane("a").pause is None


@pytest.mark.parametrize("kind", [RunnerKind.PROVIDER, RunnerKind.PYTHON])
def test_a_run_without_processes_pauses_nothing(world: World, kind: RunnerKind) -> None:
    ticket = world.start("a", kind=kind).ticket
    assert not world.reclaim(ticket).paused


def test_a_pause_of_a_person_and_one_for_survivors_stand_beside_each_other(world: World) -> None:
    ticket = command(world).ticket
    lane = world.lane("a").id
    world.pause("a", reason="looking")
    assert world.reclaim(ticket).paused
    pause = world.lane("a").pause
    assert pause is not None
    assert pause.reason == "looking", "both last until they are ended; the first is shown"

    def gone(tx: Transaction) -> bool:
        return doors.end_pause(tx, lane, PauseKind.SURVIVORS, world.time(), actor="owner:1")

    assert world.step(gone)
    assert world.lane("a").pause == pause, "the survivors are gone, and the person still looks"
    assert not world.step(gone), "there is no such pause any more"
    assert world.resume("a").applied
    assert world.lane("a").pause is None


def test_of_several_pauses_the_one_that_lasts_longest_is_shown(world: World) -> None:
    ticket = command(world).ticket
    world.pause("a", until=world.time().wall + MINUTE)
    assert world.reclaim(ticket).paused
    pause = world.lane("a").pause
    assert pause is not None
    assert (pause.reason, pause.kind, pause.until) == ("survivors", PauseKind.SURVIVORS, None)
    world.pause("a", reason="a second time", until=world.time().wall + MINUTE)
    assert world.lane("a").pause == pause
    assert world.resume("a").applied
    assert world.lane("a").pause is None, "a person ends all of them"


def test_a_lane_is_paused_for_its_survivors_and_for_a_person_at_once(world: World) -> None:
    terms = TERMS._replace(on_interrupt=OnInterrupt.PAUSE)
    ticket = world.start("a", kind=RunnerKind.COMMAND, runner="coder", terms=terms).ticket
    assert world.reclaim(ticket).paused
    assert sorted(row[3] for row in world.table("pauses")) == [PauseKind.INTERRUPTED, PauseKind.SURVIVORS]


# ---------------------------------------------------------------------------- what is proven afterwards


def forced(world: World, key: str = "a", *, process: bool = True) -> int:
    """A run that was released by force; returns its id."""
    ticket = command(world, key).ticket
    if process:
        assert world.attach_process(ticket)
    world.reclaim(ticket)
    return ticket.run_id


def note(world: World, run: int, *left: str) -> None:
    world.step(lambda tx: doors.note_survivors(tx, run, left, world.time(), by="owner:1"))


def unproven(world: World) -> list[tuple[int, tuple[str, ...] | None]]:
    return [(run.id, run.survivors) for run in world.store.read(reads.unproven_runs(PROCESS.host, PROCESS.boot_id))]


def test_a_lane_goes_on_once_nothing_is_left(world: World) -> None:
    run = forced(world)
    world.send("a", "waits")
    assert unproven(world) == [(run, None)]
    note(world, run, "4242 sleep")
    assert unproven(world) == [(run, ("4242 sleep",))]
    assert world.lane("a").pause is not None
    seen = Watch(world)
    note(world, run)
    assert unproven(world) == []
    assert world.lane("a").pause is None
    assert [line.type for line in seen.lines()] == ["resumed"]
    assert len(world.candidates()) == 1


def test_only_runs_of_that_host_that_were_released_by_force_are_looked_for(world: World) -> None:
    ticket = command(world).ticket
    world.attach_process(ticket)
    world.expire(ticket)
    note(world, ticket.run_id, "4242 sleep")
    (survivors,) = (row for row in world.store.read(Query("SELECT survivors FROM runs", {}, list)))
    assert survivors[0] is None, "nothing is written of a run that confirmed its end"
    run = forced(world, "b")
    assert [each.id for each in world.store.read(reads.unproven_runs("elsewhere", "of another boot"))] == []
    renamed = world.store.read(reads.unproven_runs("as it is called now", PROCESS.boot_id))
    assert [each.id for each in renamed] == [run]  # F898
    assert world.store.read(reads.unproven_run(ticket.run_id)) is None
    found = world.store.read(reads.unproven_run(run))
    assert found is not None
    assert (found.key, found.abort_grace_ms) == ("b", TERMS.abort_grace_ms)
    assert found.keeper is not None
    assert found.keeper._replace(pid_ns=PROCESS.pid_ns) == PROCESS, "its namespace is that of its owner"


def test_a_lane_with_two_trees_waits_for_both_and_for_no_other_lane(world: World) -> None:
    first = forced(world)
    world.resume("a")
    second, other = forced(world), forced(world, "b")
    note(world, second)
    assert world.lane("a").pause is not None, "a person resumed it, so its first tree may still live"
    note(world, first)
    assert world.lane("a").pause is None
    assert world.lane("b").pause is not None
    note(world, other)
    assert world.lane("b").pause is None


def test_runs_that_left_nothing_keep_no_lane_paused(world: World) -> None:
    """One that confirmed its end, and one of another kind that was released by force."""
    confirmed = command(world).ticket
    assert world.attach_process(confirmed)
    world.expire(confirmed)
    world.reclaim(world.start("a", kind=RunnerKind.PROVIDER).ticket)
    run = forced(world)
    assert unproven(world) == [(run, None)]
    note(world, run)
    assert world.lane("a").pause is None


def test_a_person_keeps_a_lane_paused_whatever_is_proven(world: World) -> None:
    run = forced(world)
    world.pause("a", reason="looking")
    note(world, run)
    pause = world.lane("a").pause
    assert pause is not None
    assert pause.reason == "looking"


def test_a_run_that_was_cut_before_it_had_a_process_left_nothing(world: World) -> None:
    run, other = forced(world, process=False), forced(world, "b")
    assert [(each.id, each.started) for each in world.store.read(reads.unproven_runs("anywhere", "any"))] == [
        (run, False)
    ]
    note(world, run)
    assert world.lane("a").pause is None
    assert unproven(world) == [(other, None)]


# ---------------------------------------------------------------------- the conversation of the agent


def sessions(world: World, ticket: Ticket) -> dict[str, str]:
    return {runner: kept for runner, (kept, _) in world.store.read(reads.lane_of_run(ticket.run_id))[1].items()}


def keep(world: World, ticket: Ticket, runner: str, session: str | None) -> bool:
    return world.step(lambda tx: doors.keep_session(tx, ticket, runner, session))


def test_the_conversation_of_each_runner_is_kept_on_the_lane(world: World) -> None:
    ticket = command(world).ticket
    other = command(world, "b").ticket
    assert keep(world, ticket, "coder", "s-1")
    assert keep(world, ticket, "writer", "w-1")
    assert keep(world, ticket, "coder", "s-2")
    assert (sessions(world, ticket), sessions(world, other)) == ({"coder": "s-2", "writer": "w-1"}, {})
    assert keep(world, ticket, "coder", None)
    assert sessions(world, ticket) == {"writer": "w-1"}


def test_a_run_that_lost_its_lane_changes_no_conversation(world: World) -> None:
    ticket = command(world).ticket
    other = command(world, "b").ticket
    assert not keep(world, Ticket(ticket.run_id, other.epoch), "coder", "s-1")
    assert not keep(world, Ticket(other.run_id, ticket.epoch), "coder", "s-1")
    world.reclaim(ticket)
    assert not keep(world, ticket, "coder", "s-1")
    assert sessions(world, ticket) == {}


def test_what_a_conversation_has_used_is_kept_with_its_id(world: World) -> None:
    ticket = command(world).ticket
    for used in ({"prompt_tokens": 10, "cost_usd": 0.5}, {"prompt_tokens": 30, "cost_usd": 0.75}, None):
        world.step(lambda tx, used=used: doors.keep_session(tx, ticket, "coder", "s-1", used))  # type: ignore[misc]
        assert world.store.read(reads.lane_of_run(ticket.run_id))[1] == {"coder": ("s-1", used or {})}
