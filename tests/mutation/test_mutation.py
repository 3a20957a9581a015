"""The search for guards is not blind, and a trial tells a guard that is missed from one that is not."""

from pathlib import Path

import pytest

from lanes_storage import statements
from tests.mutation.guards import all_guards, terms
from tests.mutation.trial import Tree, likely_first

EVIDENCE = "tests/storage/test_reclaim.py::test_an_owner_that_has_beaten_since_is_not_silent[sqlite]"
UNCONCERNED = "tests/storage/test_cooldowns.py::test_a_cooldown_ends_by_itself[sqlite]"


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
    assert {"CANDIDATES", "STANDING_RUN", "HEARTBEAT_RUNS", "_still_so"} <= guarded
    names = [guard.name for guard in all_guards()]
    assert "RELEASE_LANE: epoch = :epoch" in names
    assert "_still_so: not evidence.ghost or standing.left_out >= GHOST_AFTER" in names


def test_the_tests_that_know_least_else_come_first() -> None:
    (guard,) = [guard for guard in all_guards() if guard.name == "RELEASE_LANE: epoch = :epoch"]
    seen = {"wide": ["RELEASE_LANE", "CLAIM_LANE"], "narrow": ["RELEASE_LANE"], "elsewhere": ["CLAIM_LANE"]}
    assert likely_first(guard, seen) == ["narrow", "wide"]


def test_a_trial_names_the_test_that_misses_the_guard(tmp_path: Path) -> None:
    guard = next(guard for guard in all_guards() if guard.name.startswith("_still_so: evidence.heartbeats"))
    statement = next(guard for guard in all_guards() if guard.name == "STANDING_RUN: l.run_id = :run")
    tree = Tree(tmp_path)
    before = (tmp_path / guard.file).read_bytes()
    assert tree.without(guard, [UNCONCERNED, EVIDENCE]) == EVIDENCE
    assert tree.without(statement, [UNCONCERNED]) is None
    assert (tmp_path / guard.file).read_bytes() == before
    assert tree.first_failure([EVIDENCE]) is None, "the guard is back"
