"""F63: every statement of the hot path finds its rows by an index, whatever number of lanes there is."""

import contextlib
import re
import sqlite3
from typing import Any

import pytest

from lanes import filters
from lanes_storage import open_store, reads
from lanes_storage.clock import system_clock
from lanes_storage.doors.shared import event, write_events
from lanes_storage.fragments import EVENTS_OF_A_BLOCK
from lanes_storage.interface import FEW_ROWS, Query, Store
from lanes_storage.law import EventType, Prunable
from lanes_storage.reads.invariants import EXAMINATIONS
from lanes_storage.records import LaneFilter, LaneOrder, LaneSort
from lanes_storage.statements import upkeep
from tests.kit import sets
from tests.kit.world import World
from tests.mutation.guards import modules

NOW = 1_790_000_000_000
#: Tables that grow with the number of lanes, messages and runs ever made.
GROWING = ("lanes", "messages", "runs", "events", "event_blocks", "idempotency", "turns")
#: Run once for a whole file, and not on the way of a message.
COLD = {"UNFINISHED_LANES"}
WRITING = {
    name: sql
    for module in modules()
    for name, sql in vars(module).items()
    if name not in COLD
    and not name.startswith("_")
    and isinstance(sql, str)
    and re.match(r"\s*(UPDATE|DELETE|SELECT)", sql)
} | {f"PRUNE_{kind}".upper(): sql for kind, sql in upkeep.PRUNE.items()}
#: Kept for what it forbids: two open runs of one lane.
ONLY_UNIQUE = {"runs_open"}
#: How the rows are found where an index holds a few of them, and another would do at the cost of all that waits.
NARROW = {
    "CANDIDATES": "lanes_claimable (run_id=? AND head_id>?)",
    "CHOSEN_CANDIDATES": "SEARCH l USING INTEGER PRIMARY KEY",
    "BOUND_CANDIDATES": "messages_bound (bound_owner=?",
    "RELEASE_LANE": "lanes USING INTEGER PRIMARY KEY",
    "COUNT_SUSPECTS": "SEARCH l USING COVERING INDEX lanes_held",
    "WAITING_OF_OWNER": "messages_bound (bound_owner=?)",
    "LIVING_OWNERS": "runs_of_owner (owner_id=?)",
    "OPEN_RUNS_OF_OWNER": "runs_of_owner (owner_id=?)",
}
#: The same, of queries: what is counted is found by an index that holds little besides.
FEW = {
    "counts": (
        "runs_unlimited (id>?)",
        "runs_of_owner (owner_id=?",
        "runs_left_out (left_out>?)",
        "messages_queued",
        "pauses_of_pattern (pattern=?)",
        "pauses_of_lane (lane_id=?)",
        "SEARCH p USING INDEX pauses_of_lane (lane_id>?)",
        "SCAN o USING INDEX owners_living",
        "COVERING INDEX lanes_unlisted",
        "COVERING INDEX lanes_all",
    ),
    "all lanes": ("COVERING INDEX lanes_unlisted", "COVERING INDEX lanes_all"),
    "orders of an owner": ("SCAN w", "messages_for_run (for_run>?)"),
}
#: Walks in the order of the page that end with it, and the one that is gone only while a glob is paused. Other walks
#: use a partial index, which holds only what is asked for.
STOPS = {
    "the first page of lanes": ("SCAN l",),
    "the first page of lanes, the silent first": ("SCAN l",),
    "counts": ("SCAN l",),
}
READING: dict[str, Query[Any]] = {
    "claimable": reads.claimable(1, NOW),
    "claimable by a desk": reads.claimable(1, NOW, bound_only=True),
    "a page of silent runs": reads.silent_runs(system_clock(), 10),
    "open runs": reads.open_runs(),
    "open runs but those of its own": reads.open_runs(1),
    "owners": reads.owners(),
    "orders of an owner": reads.orders_of_owner(1),
    "unproven runs": reads.unproven_runs("host", "boot"),
    "one lane": reads.lane("key"),
    "one message": reads.message(1),
    "messages of a lane": reads.messages(1, (), 50),
    "recalled": reads.recalled(1, 20, 1_000),
    "conversations of a lane": reads.conversations(1),
    "one conversation": reads.conversation(1, 1),
    "ended among": reads.ended_among([1, 2, 3]),
    "the first heads": reads.heads(0, FEW_ROWS),
    "one owner": reads.owner(1),
    "one run": reads.run(1),
    "the last event": reads.last_event_id(),
    "the first event": reads.first_event_id(),
    "the time of an event": reads.time_of_event(10),
    "an event since": reads.has_event_since(NOW, 1, 10),
    "cooldowns": reads.cooldowns(NOW),
    "events of a lane": reads.events(lane=1, limit=20, newest=True),
    "events after": reads.events(after=10, limit=20),
    "the first page of lanes": reads.lanes(LaneFilter(), limit=50),
    "counts": reads.counts(NOW),
    "all lanes": reads.lanes_total(LaneFilter()),
    "the first page of lanes, the silent first": reads.lanes(LaneFilter(), order=LaneOrder(LaneSort.SILENT), limit=50),
}


def walks(store: Store, sql: str) -> list[str]:
    """The steps of the plan that walk a whole growing table, or a whole index of one."""
    called = {*GROWING, *(alias for table in GROWING for alias in re.findall(rf"\b{table} (\w+)\b", sql))}
    return [step for step in plan(store, sql) if any(re.match(rf"SCAN {name}\b", step) for name in called)]


def plan(store: Store, sql: str) -> list[str]:
    """The steps in which the engine would carry a statement out."""
    sql = re.sub(r"\?", lambda place: f":at_{place.start()}", sql)
    names = set(re.findall(r":(\w+)", sql))
    return store.read(Query(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(names), lambda rows: [row[3] for row in rows]))


#: What the way of a message asks again and again. The page of a list is planned in a tenth of what it takes.
HOT = {name: query.sql for name, query in READING.items() if "page" not in name} | WRITING
#: Once an hour, by retention.
NOW_AND_THEN = {"PRUNE_IDEMPOTENCY"}


def test_F137_nothing_hot_is_planned_again_at_each_call_or_joined_to_a_question() -> None:
    """From SQLite 3.51 on a bound LIMIT is planned anew whenever it is bound, and EXISTS may become a join."""
    hot = {name: sql for name, sql in HOT.items() if name not in NOW_AND_THEN}
    assert [name for name, sql in hot.items() if re.search(r"LIMIT\s+:|(?<!NOT )EXISTS", sql)] == []


#: They go over all that waits, by its index, when somebody sets the wall clock.
WHEN_THE_CLOCK_IS_SET = {"ATTEMPTS", "MOVE_PARKS", "MOVE_PARKS_ON"}


def test_F63_no_statement_of_the_doors_walks_a_table(store: Store) -> None:
    found = {name: walks(store, sql) for name, sql in WRITING.items() if name not in WHEN_THE_CLOCK_IS_SET}
    assert {name: steps for name, steps in found.items() if steps} == {}


def test_F63_what_somebody_had_counted_while_the_database_was_small_changes_no_plan(world: World) -> None:
    """SQLite believes statistics (ANALYZE) for ever: a lane would be looked for by a walk over all, once there are
    many."""
    sets.furnish(world)
    store = world.store
    before = {name: plan(store, sql) for name, sql in WRITING.items()}
    with contextlib.closing(sqlite3.connect(store.name)) as shell:
        shell.execute("ANALYZE")
    again = open_store(store.name)
    try:
        assert {name: plan(again, sql) for name, sql in WRITING.items()} == before
    finally:
        again.close()


def test_F63_what_is_asked_most_looks_at_nothing_but_its_own(store: Store) -> None:
    found = {name: plan(store, WRITING[name]) for name in NARROW}
    assert {name: steps for name, steps in found.items() if not any(NARROW[name] in step for step in steps)} == {}


def test_F63_a_claim_looks_at_no_pause_of_another_lane(store: Store) -> None:
    for name in ("CANDIDATES", "BOUND_CANDIDATES", "CHOSEN_CANDIDATES", "UNCHANGED_HEADS"):
        steps = [step for step in plan(store, WRITING[name]) if re.match(r"\w+ p\b", step)]
        assert len(steps) >= 2, name
        assert [step for step in steps if "pauses_of_lane (lane_id=?)" not in step] == [], name


def test_F63_what_is_counted_is_found_by_an_index_of_little_else(store: Store) -> None:
    for name, steps in FEW.items():
        found = plan(store, READING[name].sql)
        assert [step for step in steps if not any(step in each for each in found)] == [], found


def test_F63_lanes_are_counted_without_a_look_at_those_that_have_no_child_lanes(store: Store) -> None:
    """Which lanes of a session are not listed is found from its child lanes, however many others ran or failed."""
    found = plan(store, READING["counts"].sql)
    assert [step for step in found if re.match(r"\w+ l USING INDEX lanes_(held|errored|aborted)", step)] == []


def test_F63_no_lane_in_which_nothing_can_wait_is_read_for_the_lengths_of_queues(store: Store) -> None:
    page = reads.lanes(LaneFilter(), order=LaneOrder(LaneSort.QUEUE), limit=50)
    assert plan(store, page.sql).count("SCAN l") == 1, (
        "the walk of those in which nothing waits, which ends with the page"
    )
    waiting = reads.lanes_total(filters.chosen("queue:>0", NOW))
    assert walks(store, waiting.sql) == []


def test_no_run_is_read_for_a_condition_that_is_about_lanes_alone(store: Store) -> None:
    """What chooses of the lanes of a session the one that is shown reads runs by another name."""
    for query in (reads.lanes_total(LaneFilter(keys=("a",))), reads.tally(LaneFilter(at=NOW))):
        assert [step for step in plan(store, query.sql) if re.match(r"\w+ (r|rm|hm|o)\b", step)] == []


def test_no_index_is_kept_that_no_statement_asks(store: Store) -> None:
    """Each of them is written with its rows."""
    asked = [*WRITING.values(), *upkeep.PRUNE_ALL_OF_LANE, *(query.sql for query in READING.values())]
    asked += [reads.old(kind, 0, 10).sql for kind in Prunable] + [each.query().sql for each in EXAMINATIONS]
    asked += [reads.lanes(LaneFilter(), order=LaneOrder(by), limit=50).sql for by in LaneSort]
    asked += [reads.dead_letters(5).sql, reads.refused_writes().sql]
    found = {name for sql in asked for step in plan(store, sql) for name in re.findall(r"INDEX (\w+)", step)}
    made = store.read(Query("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL", {}, list))
    assert [name for (name,) in made if name not in found | ONLY_UNIQUE] == []


def test_F838_the_journal_is_scanned_four_times_for_all_invariants(store: Store) -> None:
    """It is most of a large file, and was scanned once for each invariant that is about it."""
    found = [plan(store, each.query().sql) for each in EXAMINATIONS]
    scans = [[step for step in steps if step in ("SCAN e", "SCAN events")] for steps in found]
    assert sum(map(len, scans)) == 4, scans
    assert [bool(steps) for steps in scans] == [each.scans_journal for each in EXAMINATIONS]


def test_F63_a_page_of_the_journal_of_a_lane_is_read_in_its_order(store: Store) -> None:
    for newest in (True, False):
        found = plan(store, reads.events(lane=1, after=100, limit=20, newest=newest).sql)
        assert "SEARCH event_blocks USING PRIMARY KEY (lane_id=? AND block>?)" in found
        assert "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in found
        assert [step for step in found if "B-TREE" in step] == []


@pytest.mark.parametrize(
    "more", [{}, {"newest": True}, {"after": 1}, {"type": "none", "newest": True}, {"since": 2**60}]
)
def test_F63_a_list_of_the_events_of_a_lane_looks_at_each_of_them_once_at_most(
    world: World, more: dict[str, Any]
) -> None:
    """A plan does not tell which of several bounds it searches by."""
    events, now = 50 * EVENTS_OF_A_BLOCK, world.time()
    world.send("a")
    world.step(lambda tx: write_events(tx, [event(EventType.NOTICE, now, lane=world.lane("a").id)] * events))
    query = reads.events(lane=world.lane("a").id, limit=None if more else 10, **more)
    done: list[None] = []
    with contextlib.closing(sqlite3.connect(world.store.name)) as connection:
        connection.set_progress_handler(lambda: done.append(None), 100)
        connection.execute(query.sql, query.params).fetchall()
    looked_at = events if more else 2 * EVENTS_OF_A_BLOCK
    assert len(done) * 100 < 60 * looked_at


def test_F63_no_query_of_the_hot_path_walks_a_table(store: Store) -> None:
    for name, query in READING.items():
        found = walks(store, query.sql)
        assert [step for step in found if "USING" not in step and step not in STOPS.get(name, ())] == [], name


#: What is read on the thread of the event loop, where nothing else goes on meanwhile.
POINTS = {
    "one message",
    "ended among",
    "the first heads",
    "one owner",
    "one run",
    "the last event",
    "the first event",
    "the time of an event",
    "cooldowns",
    "recalled",
}


def test_F141_what_is_read_at_once_is_found_by_a_key_and_sorted_by_its_index(store: Store) -> None:
    assert {name for name, query in READING.items() if query.point} == POINTS
    for name in POINTS:
        assert walks(store, READING[name].sql) == [], name
        assert [step for step in plan(store, READING[name].sql) if step.startswith("USE TEMP")] == [], name
