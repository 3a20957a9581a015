"""CHECK constraints carry the law: what no door writes, the database itself refuses."""

from typing import Any

import pytest
from sqlalchemy import CheckConstraint

from lanes_storage.errors import NotStorable
from lanes_storage.schema.tables import metadata
from tests.kit.world import World

PROVIDER = """
INSERT INTO providers (provider, tries, hold_ms, begun, {columns}) VALUES ('codex', 0, 0, 0, {values})
"""
PAUSE = """
INSERT INTO pauses (lane_id, pattern, kind, reason, actor, at) VALUES ({lane}, {pattern}, '{kind}', 'why', 'me', 1)
"""
SOURCE = "INSERT INTO sources (name, kind, url, owner_id, state, changed_at) VALUES ('s', 'k', 'u', 1, '{state}', 1)"
SIGHTING = """
INSERT INTO sightings (source, key, state, epoch, runs, from_files, changed_at)
VALUES ('s', '{key}', '{state}', 1, '[]', false, 1)
"""
FREEING = """
INSERT INTO freeings (source, key, epoch, reset, actor, asked_at, outcome, ended_at)
VALUES ('s', 'k', 1, false, 'me', 1, {outcome}, {ended_at})
"""
#: Statements that would make an unlawful row, and the name of the constraint that stops each. Where there are rows:
#: lane 1 is held by run 1 for message 1; lane 2 is released, its message 2 done by run 2; message 3 waits in lane 2.
UNLAWFUL = [
    ("lane_key_length", "UPDATE lanes SET key = '' WHERE id = 1"),
    ("lane_key_length", f"UPDATE lanes SET key = '{'k' * 513}' WHERE id = 1"),
    ("lane_state", "UPDATE lanes SET state = 'stuck', run_id = NULL WHERE id = 1"),
    ("lane_held_by_one_run", "UPDATE lanes SET run_id = NULL WHERE id = 1"),
    ("lane_held_by_one_run", "UPDATE lanes SET state = 'idle' WHERE id = 1"),
    ("lane_held_by_one_run", "UPDATE lanes SET state = 'running' WHERE id = 2"),
    ("lane_held_under_an_epoch", "UPDATE lanes SET epoch = 0 WHERE id = 1"),
    ("lane_is_not_its_parent", "UPDATE lanes SET parent_id = id WHERE id = 1"),
    ("lane_error_whole", "UPDATE lanes SET error_cause = 'ghost' WHERE id = 1"),
    ("message_state", "UPDATE messages SET state = 'lost' WHERE id = 3"),
    ("message_has_one_input", "UPDATE messages SET request = '{}' WHERE id = 3"),
    ("message_has_one_input", "UPDATE messages SET text = NULL WHERE id = 3"),
    ("message_ends_once", "UPDATE messages SET ended_at = 1 WHERE id = 3"),
    ("message_ends_once", "UPDATE messages SET state = 'dropped' WHERE id = 3"),
    ("message_runs_in_a_run", "UPDATE messages SET state = 'running' WHERE id = 3"),
    ("message_reply_only_when_done", "UPDATE messages SET reply = 'early' WHERE id = 1"),
    ("message_failure_has_a_cause", "UPDATE messages SET state = 'failed', ended_at = 1 WHERE id = 3"),
    ("message_bound_to", "UPDATE messages SET bound_to = 'fate', bound_owner = 1 WHERE id = 3"),
    ("message_bound_whole", "UPDATE messages SET bound_to = 'client' WHERE id = 3"),
    ("message_bound_whole", "UPDATE messages SET bound_owner = 1 WHERE id = 3"),
    ("message_parked_since", "UPDATE messages SET parked_until = 1 WHERE id = 3"),
    ("message_for_a_run_waits", "UPDATE messages SET for_run = 1 WHERE id = 1"),
    ("message_interruptions", "UPDATE messages SET interruptions = -1 WHERE id = 3"),
    ("run_kind", "UPDATE runs SET kind = 'magic' WHERE id = 1"),
    ("run_edge", "UPDATE runs SET edge = 'claim' WHERE id = 2"),
    ("run_end_whole", "UPDATE runs SET edge = NULL WHERE id = 2"),
    ("run_end_whole", "UPDATE runs SET ended_at = 1 WHERE id = 1"),
    ("run_abort_whole", "UPDATE runs SET abort_at = 1 WHERE id = 1"),
    (
        "run_abort_is_sticky",
        "UPDATE runs SET abort_at = 1, abort_boot = 1, abort_boot_id = 'b', abort_actor = 'a', abort_cause = 'aborted'"
        " WHERE id = 2",
    ),
    ("run_on_interrupt", "UPDATE runs SET on_interrupt = 'shrug' WHERE id = 1"),
    ("run_on_survivors", "UPDATE runs SET on_survivors = 'shrug' WHERE id = 1"),
    ("run_limits_fit", "UPDATE runs SET run_timeout_ms = 5, stall_timeout_ms = 6 WHERE id = 1"),
    ("run_process_whole", "UPDATE runs SET process_group = 1 WHERE id = 1"),
    ("run_process_whole", "UPDATE runs SET process_host = 'here' WHERE id = 1"),
    ("run_process_whole", "UPDATE runs SET process_boot_id = 'b' WHERE id = 1"),
    ("run_process_whole", "UPDATE runs SET process_pid = 1 WHERE id = 1"),
    ("run_question_is_open", "UPDATE runs SET question = '{}' WHERE id = 2"),
    ("run_question_is_open", "UPDATE runs SET question = 'which?' WHERE id = 1"),
    ("run_process_start", "UPDATE runs SET process_start_time = 1 WHERE id = 1"),
    ("owner_intervals_fit", "UPDATE owners SET stale_after_ms = 3 * heartbeat_interval_ms - 1"),
    ("owner_drain_whole", "UPDATE owners SET drain_by = 'alice'"),
    ("owner_end_whole", "UPDATE owners SET ended_at = 1"),
    ("source_state", SOURCE.format(state="asleep")),
    ("sighting_key_length", SIGHTING.format(key="", state="idle")),
    ("sighting_key_length", SIGHTING.format(key="k" * 513, state="idle")),
    ("sighting_state", SIGHTING.format(key="k", state="asleep")),
    ("freeing_end_whole", FREEING.format(outcome="NULL", ended_at=1)),
    ("freeing_end_whole", FREEING.format(outcome="'freed'", ended_at="NULL")),
    ("pause_kind", PAUSE.format(lane="1", pattern="NULL", kind="mood")),
    ("pause_of_one_or_of_many", PAUSE.format(lane="1", pattern="'a*'", kind="hand")),
    ("pause_of_one_or_of_many", PAUSE.format(lane="NULL", pattern="NULL", kind="hand")),
    ("provider_cooldown_whole", PROVIDER.format(columns="until", values="1")),
    ("provider_cooldown_whole", PROVIDER.format(columns="cause, since", values="'quota', 1")),
    ("turn_state", "INSERT INTO turns (id, lane_id, conversation, text, state, at) VALUES (1, 1, 1, '', 'mood', 1)"),
    (
        "incident_claim_whole",
        "INSERT INTO incidents (alert, kind, subject, facts, began_at, seen_at, tries, next_at, claimed_by)"
        " VALUES ('ops', 'held', 'a', '{}', 1, 1, 0, 1, 7)",
    ),
]

#: The rest of what a schema can promise: keys that are there once, and references that lead somewhere.
BROKEN = [
    "INSERT INTO lanes (key, state, epoch, anonymous, conversation, created_at, updated_at)"
    " VALUES ('held', 'idle', 0, false, 1, 1, 1)",
    PAUSE.format(lane="99", pattern="NULL", kind="hand"),
    "UPDATE lanes SET parent_id = 99 WHERE id = 2",
    "UPDATE runs SET edge = NULL, ended_at = NULL, ended_by = NULL, lane_id = 1 WHERE id = 2",  # two open runs
    "UPDATE messages SET lane_id = 99 WHERE id = 3",
    "UPDATE lanes SET head_id = 99 WHERE id = 2",
    "UPDATE lanes SET run_id = 99 WHERE id = 1",
    "DELETE FROM runs WHERE id = 1",
    "DELETE FROM messages WHERE id = 3",
    "DELETE FROM lanes WHERE id = 1",
]


@pytest.fixture
def peopled(world: World) -> World:
    world.start("held")
    world.complete(world.start("free").ticket)
    world.send("free", "waits")
    return world


@pytest.mark.parametrize(("constraint", "statement"), UNLAWFUL)
def test_the_database_refuses_an_unlawful_row(peopled: World, constraint: str, statement: str) -> None:
    with pytest.raises(NotStorable, match=rf"\b{constraint}\b"):
        peopled.step(lambda tx: tx.run(statement, {}))


@pytest.mark.parametrize("statement", BROKEN)
def test_the_database_refuses_rows_that_do_not_fit_together(peopled: World, statement: str) -> None:
    with pytest.raises(NotStorable):
        peopled.step(lambda tx: tx.run(statement, {}))


def test_every_constraint_has_a_row_that_it_refuses() -> None:
    named: set[Any] = {
        constraint.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert named == {constraint for constraint, _ in UNLAWFUL}
