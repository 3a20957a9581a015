"""The search for guards is not blind, and a trial tells a guard that is missed from one that is not."""

import subprocess

import pytest

from lanes_storage import statements
from tests.kit.forks import run_forked
from tests.mutation.campaign import PLANS, likely_first
from tests.mutation.guards import SERVE_AN_INDEX, all_guards, terms

EVIDENCE = "tests/storage/test_reclaim.py::test_an_owner_that_has_beaten_since_is_not_silent[sqlite]"
UNCONCERNED = "tests/storage/test_providers.py::test_a_cooldown_ends_by_itself[sqlite]"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE t SET a = 1 WHERE b = 2 AND c IN ('x AND y')", ["b = 2", "c IN ('x AND y')"]),
        ("SELECT 1 FROM t WHERE (a = 1 AND b = 2) OR c = 3 ORDER BY d", ["(a = 1 AND b = 2) OR c = 3"]),
        ("DELETE FROM t WHERE a = 1 RETURNING b", ["a = 1"]),
        (
            "UPDATE t SET a = (SELECT min(b) FROM u WHERE c = 1 AND d = 2) WHERE e = 3",
            ["c = 1", "d = 2", "e = 3"],
        ),
        ("INSERT INTO t (a) VALUES (1)", []),
    ],
)
def test_the_conditions_of_a_statement_are_found(sql: str, found: list[str]) -> None:
    assert [sql[start:end].strip() for start, end in sorted(terms(sql))] == found


def test_every_statement_that_writes_and_asks_has_its_guards() -> None:
    guarded = {guard.subject for guard in all_guards()}
    asking = {
        name
        for name, sql in vars(statements).items()
        if isinstance(sql, str) and name.isupper() and sql.strip().startswith(("UPDATE", "DELETE")) and "WHERE" in sql
    }
    assert asking <= guarded
    assert {"CANDIDATES", "HELD_RUNS", "BEAT_RUN", "_still_so"} <= guarded
    names = [guard.name for guard in all_guards()]
    assert "RELEASE_LANE: epoch = :epoch" in names
    assert "_still_so: not evidence.ghost or held.left_out >= GHOST_AFTER" in names


def test_the_tests_that_know_least_else_come_first_and_the_plans_last() -> None:
    (guard,) = [guard for guard in all_guards() if guard.name == "RELEASE_LANE: epoch = :epoch"]
    heard = {
        PLANS: ["RELEASE_LANE"],
        "wide": ["RELEASE_LANE", "CLAIM_LANE"],
        "narrow": ["RELEASE_LANE"],
        "elsewhere": ["CLAIM_LANE"],
    }
    assert likely_first(guard, heard) == ["narrow", "wide", PLANS]


def test_what_is_said_to_serve_an_index_is_a_guard() -> None:
    assert set(SERVE_AN_INDEX) <= {guard.name for guard in all_guards()}


def run(words: list[str], tests: list[str]) -> "subprocess.CompletedProcess[str]":
    return run_forked(["-m", "tests.mutation", *words, "--tests", *tests], check=False)


def test_a_run_names_the_test_that_misses_each_guard_and_counts_what_is_left() -> None:
    words = ["_still_so: evidence.heartbeats", "HELD_RUNS: l.run_id"]
    done = run(words, [UNCONCERNED, EVIDENCE])
    assert done.returncode == 1, done
    assert f"_still_so: evidence.heartbeats is None or evidence.heartbeats == held.heartbeats\n    {EVIDENCE}\n" in (
        done.stdout
    )
    assert "1 of 2 guards are missed by a test" in done.stdout
    assert "1 is left" in done.stdout
    assert "no test misses  HELD_RUNS: l.run_id = r.id" in done.stdout


def test_a_run_without_anything_left_is_a_success() -> None:
    assert run(["_still_so: evidence.heartbeats"], [EVIDENCE]).returncode == 0


def test_nothing_is_said_about_guards_where_tests_fail_anyway() -> None:
    done = run(["_still_so"], ["tests/storage/no_such_test.py"])
    assert (done.returncode, "no guard was tried" in done.stdout) == (1, True)
