"""The health of providers: cooldowns, the trickle after them, places, and their end by a person or another key."""

from functools import partial
from typing import Any

import pytest

from lanes.explain.turns import ProviderInFlight, turn_sentence
from lanes.testing import MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.law import MessageState
from lanes_storage.records import CooldownRow, PlacesTaken, ProviderCounts, ProviderRefusal, ProviderReset, ProviderRow
from lanes_storage.records.providers import HOLD_MS, LONGEST_HOLD_MS, PERIOD_MS, REFUSES_WITHIN_MS, TRICKLE_MS
from tests.kit.watch import Line, Watch
from tests.kit.world import World

MOST = 10 * MINUTE
LOAD = ProviderRefusal("rate_limited", "no")


def cool(
    world: World,
    for_ms: int | None = None,
    provider: str = "codex",
    cause: str = "rate_limited",
    *,
    of: int | None = None,
    key: str | None = None,
) -> ProviderRow:
    refusal, now = ProviderRefusal(cause, "no", for_ms, of), world.time()
    return world.step(lambda tx: doors.cool(tx, provider, refusal, now, by="tester", most_ms=MOST, fingerprint=key))


def answer(world: World, key: str | None = None) -> ProviderRow:
    return world.step(lambda tx: doors.answered(tx, "codex", world.time(), fingerprint=key))


def reset(world: World, provider: str = "codex") -> ProviderReset:
    return world.step(lambda tx: doors.reset_provider(tx, provider, world.time(), by="alice"))


def cooling(world: World) -> list[CooldownRow]:
    return world.store.read(reads.cooldowns(world.time().wall))


def row(world: World) -> ProviderRow:
    (found,) = world.store.read(reads.providers()).values()
    return found


def place(world: World, run: int, provider: str = "codex", most: int | None = 1) -> bool:
    return world.step(lambda tx: doors.take_place(tx, run, provider, world.time(), max_requests=most))


# ------------------------------------------------------------------------------------------ cooldowns


def test_a_cooldown_is_stored_for_everyone(world: World) -> None:
    now = world.time().wall
    seen = Watch(world)
    cooled = cool(world, 5 * SECOND, cause="quota")
    assert (cooled.cause, cooled.message, cooled.since, cooled.until, cooled.tries) == (
        "quota", "no", now, now + 5 * SECOND, 1,
    )  # fmt: skip
    assert cooling(world) == [CooldownRow("codex", "quota", now, now + 5 * SECOND, 1, "no")]
    assert seen.changed() == {"providers": 1}
    assert seen.lines() == [Line("cooldown", actor="tester", cause="quota")]
    assert seen.detail() == {"provider": "codex", "until": now + 5 * SECOND}


def test_a_cooldown_ends_by_itself(world: World) -> None:
    cool(world, 5 * SECOND)
    world.time.move(5 * SECOND - 1)
    assert len(cooling(world)) == 1
    world.time.move(1)
    assert cooling(world) == []


def test_without_a_time_it_doubles_from_a_second_to_a_minute(world: World) -> None:
    lengths = []
    for _ in range(9):
        cooldown = cool(world)
        assert cooldown.until is not None
        lengths.append((cooldown.until - world.time().wall) // SECOND)
        world.time.move(cooldown.until - world.time().wall)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_F214_no_cooldown_is_longer_than_it_may_be(world: World) -> None:
    assert cool(world, 86_400_000).until == world.time().wall + MOST


def test_a_refusal_that_arrives_while_it_cools_changes_nothing(world: World) -> None:
    """The other runs of a busy moment: no doubling, no event, no write."""
    first = cool(world)
    world.time.move(SECOND // 2)
    seen = Watch(world)
    assert cool(world) == first
    assert seen.changed() == {}


def test_a_shorter_cooldown_never_cuts_a_longer_one(world: World) -> None:
    longer = cool(world, 60 * SECOND)
    assert cool(world, SECOND).until == longer.until


@pytest.mark.parametrize("other", ["backup", "CODEX"])
def test_each_provider_cools_for_itself(world: World, other: str) -> None:
    cool(world, 5 * SECOND)
    assert cool(world, provider=other).tries == 1
    assert len(cooling(world)) == 2


# -------------------------------------------------------------------------------------------- trickle


def started(world: World, count: int) -> list[int]:
    return [world.start(f"lane {number}").ticket.run_id for number in range(count)]


def given(world: World, runs: list[int], most: int | None = None) -> list[int]:
    """The runs that get a place of those that ask for one."""
    return [run for run in runs if place(world, run, most=most)]


def overloaded(world: World, run: int, asking: list[int]) -> ProviderRow:
    """It refuses a run for load, while others ask it."""
    how: dict[str, Any] = {"by": "tester", "most_ms": MOST, "run": run, "in_flight": asking}
    return world.step(lambda tx: doors.cool(tx, "codex", LOAD, world.time(), **how))


def begins(world: World, run: int) -> ProviderRow:
    return world.step(lambda tx: doors.answered(tx, "codex", world.time(), run=run))


def test_after_a_cooldown_one_request_probes_and_then_few_at_a_time_wait_for_their_answer_to_begin(
    world: World,
) -> None:
    runs = started(world, 16)
    cool(world)
    world.time.move(SECOND)
    assert given(world, runs[:3]) == runs[:1], "the probe"
    assert not row(world).probed
    assert not begins(world, runs[0]).tries, "its next cooldown begins at a second again"
    assert given(world, runs[1:]) == runs[1:3], "two at a time"
    for run in runs[1:7]:
        place(world, run, most=None)
        begins(world, run)
    assert len(given(world, runs[7:])) == 2
    begins(world, runs[7])
    assert len(given(world, runs[9:])) == 2, "after eight answers three at a time"
    assert world.store.read(reads.places_taken(world.time())) == {"codex": PlacesTaken(11, 3, 3)}, (
        "however long the answers take"
    )
    world.time.move(TRICKLE_MS)
    assert len(given(world, runs)) == 16, "it is well"


@pytest.mark.parametrize(("most", "told"), [(None, "2 of the 3 in flight"), (9, "2 of the 3"), (3, "3 of 3 requests")])
def test_F654_it_is_told_that_few_may_wait_for_their_answer_to_begin(world: World, most: int | None, told: str) -> None:
    runs = started(world, 3)
    cool(world)
    world.time.move(SECOND)
    place(world, runs[0], most=None)
    begins(world, runs[0])
    given(world, runs[1:])
    taken = world.store.read(reads.places_taken(world.time()))["codex"]
    waits = ProviderInFlight.of(row(world), taken, most, world.time())
    assert waits is not None
    assert (waits.full, told in turn_sentence(waits)) == (True, True)


def test_F631_a_request_that_waits_for_its_answer_to_begin_is_not_waited_for_by_all(world: World) -> None:
    """A model that thinks for long, or a probe that hangs: a refusal would have come sooner."""
    runs = started(world, 6)
    cool(world, cause="unreachable")
    world.time.move(SECOND)
    assert given(world, runs) == runs[:1]
    world.time.move(REFUSES_WITHIN_MS - 1)
    assert given(world, runs[1:]) == []
    world.time.move(1)
    assert given(world, runs[1:]) == runs[1:2], "the next probe"
    begins(world, runs[1])
    assert given(world, runs[2:]) == runs[2:4]


@pytest.mark.parametrize(("cause", "sent"), [("unreachable", 2), ("overloaded", 12)])
def test_F631_of_the_probes_that_hang_after_an_outage_two_wait_at_a_time(world: World, cause: str, sent: int) -> None:
    """After a refusal for load a model may think for long: what is not refused within seconds will be answered."""
    runs = started(world, 13)
    cool(world, cause=cause)
    world.time.move(SECOND)
    given = 0
    for _ in range(12):
        given += place(world, runs[given], most=None)
        world.time.move(REFUSES_WITHIN_MS)
    assert given == sent
    taken = world.store.read(reads.places_taken(world.time()))["codex"]
    waits = ProviderInFlight.of(row(world), taken, None, world.time())
    assert waits is not None
    assert "probes it now" in turn_sentence(waits)
    assert place(world, runs[given], most=None), "a minute later the next"


def test_F760_of_a_full_provider_it_is_told_how_many_requests_it_takes(world: World) -> None:
    """Also while it is probed: a slow model has not begun to answer its probe after a minute."""
    runs = started(world, 3)
    assert given(world, runs[:1], 2) == runs[:1]
    cool(world, cause="unreachable")
    world.time.move(SECOND)
    assert place(world, runs[1], most=2)
    world.time.move(MINUTE)
    assert not place(world, runs[2], most=2)
    taken = world.store.read(reads.places_taken(world.time()))["codex"]
    waits = ProviderInFlight.of(row(world), taken, 2, world.time())
    assert waits is not None
    assert "2 of 2 requests are in flight" in turn_sentence(waits)


def test_a_limit_of_the_configuration_holds_besides(world: World) -> None:
    runs = started(world, 5)
    assert given(world, runs[:4], 3) == runs[:3]
    cool(world, cause="unreachable")
    world.time.move(SECOND)
    assert not place(world, runs[3], most=3)
    assert place(world, runs[3], most=4)
    assert not place(world, runs[4], most=5), "one probes"


def test_F631_the_answers_that_go_on_when_a_provider_refuses_keep_nobody_waiting(world: World) -> None:
    """Runs that asked without a place have one from then on; beside them one more is tried after a while."""
    runs = started(world, 9)
    refused = overloaded(world, runs[3], runs[:3])
    assert (refused.held, refused.hold_ms) == (3, HOLD_MS)
    world.time.move(SECOND)
    assert not place(world, runs[3], most=None), "as many as it held are still answered"
    world.time.move(HOLD_MS - SECOND)
    assert given(world, runs[3:]) == runs[3:4]
    begins(world, runs[3])
    assert given(world, runs[4:]) == [], "one more than it held"
    world.time.move(HOLD_MS)
    assert given(world, runs[4:]) == runs[4:6], "and then more"


def test_F652_short_answers_do_not_keep_a_provider_at_the_few_that_asked_it_when_it_refused(world: World) -> None:
    """They end before so many go on at a time as would show that it answers more."""
    runs = started(world, 4)
    overloaded(world, runs[1], runs[:1])
    world.time.move(SECOND)
    world.step(lambda tx: doors.leave_place(tx, runs[0]))
    assert given(world, runs) == runs[:1], "the probe"
    begins(world, runs[0])
    world.time.move(HOLD_MS - SECOND)
    assert given(world, runs[1:]) == runs[1:2], "one more"
    world.step(lambda tx: doors.leave_place(tx, runs[0]))
    assert given(world, runs[2:]) == runs[2:3], "in its place, while that waits for its answer to begin"
    begins(world, runs[1])
    world.time.move(HOLD_MS)
    assert given(world, runs[3:]) == runs[3:], "three more"


def test_F704_a_provider_that_answers_one_more_than_it_held_is_asked_by_more_sooner(world: World) -> None:
    runs = started(world, 4)
    for _ in range(5):
        held = overloaded(world, runs[3], runs[:3])
        world.time.move(SECOND)
        begins(world, runs[0])
        world.time.move(held.hold_ms - SECOND)
    assert (held.held, held.hold_ms) == (3, LONGEST_HOLD_MS)
    assert place(world, runs[3], most=None)
    assert begins(world, runs[3]).hold_ms == LONGEST_HOLD_MS // 2
    assert row(world).most(world.time().wall, None) == 6
    for _ in range(5):
        begins(world, runs[3])
    assert row(world).hold_ms == HOLD_MS, "never shorter than at first"


def test_what_a_provider_held_is_no_limit_once_it_was_not_asked_by_more_for_a_while(world: World) -> None:
    runs = started(world, 4)
    overloaded(world, runs[3], runs[:3])
    world.time.move(SECOND)
    begins(world, runs[0])
    limits = []
    for _ in range(9):
        limits.append(row(world).most(world.time().wall, None))
        world.time.move(HOLD_MS)
    assert limits == [3, 4, 6, 10, 18, 34, 66, 130, None]


def test_a_refusal_takes_away_one_of_those_that_may_wait_at_a_time_and_a_refused_probe_all(world: World) -> None:
    runs = started(world, 40)
    cool(world)
    world.time.move(SECOND)
    for run in runs[:17]:
        place(world, run, most=None)
        begins(world, run)
    cool(world)
    world.time.move(SECOND)
    place(world, runs[17], most=None)
    begins(world, runs[17])
    world.time.move(LONGEST_HOLD_MS)
    assert len(given(world, runs[18:])) == 3, "three after ten answers, not four after eighteen"
    cool(world)
    world.time.move(SECOND)
    assert cool(world).begun == 0


def test_F631_a_provider_that_refuses_at_the_same_number_is_asked_by_more_ever_more_rarely(world: World) -> None:
    runs, holds = started(world, 6), []
    for _ in range(6):
        held = overloaded(world, runs[5], runs[:4])
        holds.append((held.held, held.hold_ms))
        world.time.move(SECOND)
        world.step(lambda tx: doors.leave_place(tx, runs[0]))
        assert given(world, runs[4:]) == runs[4:5], "in the place of the one that has ended"
        begins(world, runs[4])
        world.step(lambda tx: doors.leave_place(tx, runs[4]))
        world.step(lambda tx: doors.take_place(tx, runs[0], "codex", world.time()))
        begins(world, runs[0])
        world.time.move(held.hold_ms - SECOND - 1)
        assert not place(world, runs[5], most=None)
        world.time.move(1)
        assert place(world, runs[5], most=None)
    assert holds == [(4, HOLD_MS << number) for number in range(4)] + [(4, LONGEST_HOLD_MS)] * 2


def test_F635_what_is_answered_while_one_more_is_tried_does_not_show_that_more_are(world: World) -> None:
    runs = started(world, 5)
    overloaded(world, runs[4], runs[:3])
    world.time.move(SECOND)
    world.step(lambda tx: doors.leave_place(tx, runs[0]))
    assert given(world, runs[3:]) == runs[3:4]
    waits = ProviderInFlight.of(row(world), PlacesTaken(3, 0), None, world.time())
    assert waits is not None
    assert (waits.requests, waits.most, waits.full, waits.probes) == (3, 3, True, False), "nobody probes it yet"
    world.time.move(REFUSES_WITHIN_MS)
    assert place(world, runs[4], most=None), "one more is tried"
    assert begins(world, runs[3]).held == 3
    again = overloaded(world, runs[4], [])
    assert (again.held, again.hold_ms) == (3, 2 * HOLD_MS)


def test_of_a_burst_those_that_are_not_refused_are_what_a_provider_holds(world: World) -> None:
    runs = started(world, 10)
    rows = [overloaded(world, runs[number], runs[:number]) for number in range(9, 3, -1)]
    assert [(each.held, each.tries) for each in rows] == [(number, 1) for number in range(9, 3, -1)]


def test_of_the_runs_that_ask_a_provider_only_one_that_goes_on_and_has_no_place_gets_one(world: World) -> None:
    refused, ended, elsewhere, asks = (world.start(key) for key in ("refused", "ended", "elsewhere", "asks"))
    assert place(world, elsewhere.ticket.run_id, "other")
    world.complete(ended.ticket)
    asking = [each.ticket.run_id for each in (ended, elsewhere, asks)]
    how: dict[str, Any] = {"by": "tester", "most_ms": MOST, "run": refused.ticket.run_id, "in_flight": asking}
    world.step(lambda tx: doors.cool(tx, "codex", LOAD, world.time(), **how))
    query = "SELECT id, provider FROM runs WHERE provider IS NOT NULL ORDER BY id"
    assert world.step(lambda tx: tx.rows(query, {})) == [
        (elsewhere.ticket.run_id, "other"),
        (asks.ticket.run_id, "codex"),
    ]


def test_an_outage_says_nothing_of_how_many_a_provider_holds(world: World) -> None:
    runs = started(world, 4)
    given(world, runs[:3])
    cool(world, cause="unreachable")
    assert row(world).held is None
    world.time.move(SECOND)
    assert place(world, runs[3], most=None), "the probe, beside those"


def test_an_answer_that_changes_nothing_is_not_written(world: World) -> None:
    cool(world)
    world.time.move(SECOND)
    answer(world)
    world.time.move(TRICKLE_MS)
    seen = Watch(world)
    answer(world)
    assert seen.changed() == {}


def test_a_late_answer_does_not_end_a_cooldown_that_came_meanwhile(world: World) -> None:
    cool(world, 5 * SECOND)
    answer(world)
    assert len(cooling(world)) == 1
    assert not row(world).probed


def test_the_message_is_noted_that_may_be_why_a_provider_refuses(world: World) -> None:
    assert [cool(world, of=message).refused for message in (7, 8)] == [7, 8]
    assert cool(world, cause="unreachable").refused is None


def test_F468_a_message_that_is_refused_again_cools_nothing(world: World) -> None:
    cool(world, of=7)
    cool(world, of=8)
    world.time.move(2 * SECOND)
    before = row(world)
    for message in (7, 8, 8):
        world.step(partial(doors.refuse, provider="codex", message=message, now=world.time()))
    after = row(world)
    assert after == before._replace(refused=8, refused_at=world.time().wall)


# --------------------------------------------------------------------------------------------- places


def test_a_place_is_taken_once_and_ends_with_its_run(world: World) -> None:
    one, other = world.start("one").ticket, world.start("other").ticket
    assert place(world, one.run_id)
    assert place(world, one.run_id), "it has it already"
    assert not place(world, other.run_id)
    assert world.store.read(reads.places_taken(world.time())) == {"codex": PlacesTaken(1)}
    world.complete(one)
    assert world.store.read(reads.places_taken(world.time())) == {}
    assert place(world, other.run_id)


def test_a_run_that_goes_on_to_another_provider_leaves_its_place(world: World) -> None:
    one = world.start("one").ticket.run_id
    place(world, one)
    place(world, one, "backup", 1)
    assert world.store.read(reads.places_taken(world.time())) == {"backup": PlacesTaken(1)}
    world.step(lambda tx: doors.leave_place(tx, one))
    assert world.store.read(reads.places_taken(world.time())) == {}


def test_F217_the_place_of_a_run_whose_process_was_killed_is_free_again(world: World) -> None:
    killed, other = world.start("one").ticket, world.start("other").ticket
    place(world, killed.run_id)
    world.reclaim(killed)
    assert place(world, other.run_id)


def test_a_claim_brings_a_place_with_it(world: World) -> None:
    world.send("one")
    claimed = world.claim("one", provider="codex")
    assert world.store.read(reads.place_of(claimed.ticket.run_id)) == "codex"
    assert world.store.read(reads.in_flight()) == {"codex": 1}


# ------------------------------------------------------------------------------------ reset, fingerprint


def test_F213_a_reset_ends_a_cooldown_and_wakes_what_waits_for_it(world: World) -> None:
    cool(world, 5 * MINUTE)
    world.send("waited")
    world.postpone(world.head("waited"), SECOND, providers=("codex",))
    world.time.move(SECOND)
    world.send("waits")
    world.postpone(world.head("waits"), 5 * MINUTE, providers=("backup", "codex"))
    world.start("runs")
    claimed = world.start("ran")
    world.park(claimed.ticket, 5 * MINUTE, providers=("codex",))
    world.send("other")
    world.postpone(world.head("other"), 5 * MINUTE, providers=("third",))
    world.send("own time")
    world.park(world.claim("own time").ticket, 5 * MINUTE)
    dropped = world.send("dropped")
    world.postpone(world.head("dropped"), 5 * MINUTE, providers=("codex",))
    world.drop(dropped)
    seen = Watch(world)
    assert reset(world).woken == 2
    assert cooling(world) == []
    assert {head.key for head in world.candidates()} == {"waited", "waits", "ran"}
    assert seen.lines() == [Line("cooldown_ended", actor="alice")]
    assert seen.detail() == {"provider": "codex", "messages": 2}


def test_F1055_a_cooldown_that_is_not_there_or_long_over_does_not_end(world: World) -> None:
    def told() -> list[str]:
        seen = Watch(world)
        reset(world)
        return [line.type for line in seen.lines()]

    assert told() == [], "nothing is known of it yet"
    doubt(world, "a", key="old")
    assert told() == []
    cool(world, MINUTE)
    world.time.move(MINUTE)
    assert told() == ["cooldown_ended"], "it has cooled, and was to be asked by one request at a time"
    cool(world, MINUTE)
    world.time.move(MINUTE)
    answer(world)
    world.time.move(TRICKLE_MS)
    assert told() == [], "it is well again"


def test_a_reset_does_not_forgive_the_time_that_a_message_has_waited(world: World) -> None:
    message = world.send("waits")
    world.postpone(world.head("waits"), 9 * MINUTE, providers=("codex",))
    world.time.move(8 * MINUTE)
    reset(world)
    assert world.postpone(world.head("waits"), 3 * MINUTE, providers=("codex",)) is MessageState.FAILED
    assert world.message(message).state is MessageState.FAILED


def doubt(world: World, lane: str, key: str | None = None, provider: str = "codex") -> bool:
    return world.step(lambda tx: doors.doubt(tx, provider, lane, "no such model", fingerprint=key))


def test_F283_a_refusal_that_may_be_of_one_request_is_remembered_until_another_lane_gets_one(world: World) -> None:
    assert [doubt(world, lane) for lane in ("a", "a", "b", "a")] == [False, False, True, False]
    assert not doubt(world, "b", provider="backup"), "another provider"
    world.step(lambda tx: doors.answered(tx, "codex", world.time()))
    assert [doubt(world, lane) for lane in ("b", "a")] == [False, True]
    assert not doubt(world, "b", key="new"), "under another key it begins again"


def test_F213_under_another_key_nothing_of_it_holds(world: World) -> None:
    cool(world, 5 * MINUTE, cause="auth", key="old")
    assert row(world).under("new") == ProviderRow("codex", fingerprint="new")
    assert row(world).under("old").until is not None
    assert cool(world, SECOND, key="new").until == world.time().wall + SECOND


def test_F655_the_load_of_a_provider_is_that_of_all_who_ask_it_under_whatever_key(world: World) -> None:
    cooled = cool(world, 5 * MINUTE, key="old")
    assert row(world).under("new") == cooled
    assert cool(world, SECOND, key="new").until == cooled.until


@pytest.mark.parametrize("later", [SECOND, TRICKLE_MS + MINUTE])
def test_F703_what_a_good_key_gets_says_nothing_of_one_that_is_refused(world: World, later: int) -> None:
    cool(world, SECOND, key="good")
    world.time.move(SECOND)
    answer(world, key="good")
    world.time.move(later)
    assert not doubt(world, "a", key="bad")
    begun = answer(world, key="good").begun
    assert begun == (2 if later == SECOND else 1), "and its answers count"
    assert doubt(world, "b", key="bad"), "nobody was served with this key in between"
    answer(world, key="bad")
    assert not doubt(world, "a", key="bad")


def test_F703_a_failure_under_another_key_lets_a_provider_not_be_tried_last(world: World) -> None:
    cool(world, SECOND, key="old")
    world.step(lambda tx: doors.try_last(tx, "codex", world.time().wall + MINUTE, "broken", fingerprint="old"))
    assert row(world).under("old").tried_last_until is not None
    assert row(world).under("new").tried_last_until is None


# ------------------------------------------------------------------------------------------- tried last


def test_that_it_is_tried_last_is_stored(world: World) -> None:
    until = world.time().wall + SECOND
    world.step(lambda tx: doors.try_last(tx, "codex", until, "it was slow"))
    assert (row(world).tried_last_until, row(world).message, row(world).until) == (until, "it was slow", None)
    cool(world, 5 * SECOND, cause="quota")
    world.step(lambda tx: doors.try_last(tx, "codex", until, "it was slow"))
    assert (row(world).cause, row(world).message) == ("quota", "no"), "cause and sentence belong together"


# --------------------------------------------------------------------------------------------- counts


def count(world: World, **counts: Any) -> None:
    world.step(lambda tx: doors.count(tx, "codex", ProviderCounts(**counts), world.time()))


def counted(world: World) -> ProviderCounts:
    return ProviderCounts.read(row(world).counts, world.time().wall)


def test_answers_and_failures_of_the_last_hour_are_summed(world: World) -> None:
    count(world, answers=2, latency_ms=300, failures={"quota": 1})
    world.time.move(PERIOD_MS)
    count(world, answers=1, latency_ms=50, failures={"quota": 2, "reset": 1})
    assert counted(world) == ProviderCounts(3, 350, {"quota": 3, "reset": 1})
    world.time.move(5 * PERIOD_MS)
    assert counted(world) == ProviderCounts(1, 50, {"quota": 2, "reset": 1})


def test_what_is_counted_survives_a_reset(world: World) -> None:
    count(world, answers=1)
    cool(world, SECOND)
    reset(world)
    assert counted(world).answers == 1
