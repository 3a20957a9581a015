"""lanes dead-letters: every failed message, and its pruning by hand."""

import tracemalloc

import pytest

from lanes.base.errors import NotAllowed
from lanes.base.procedure import run as perform
from lanes.config import from_data
from lanes.context import Context
from lanes.verbs.messages import AT_ONCE, retry, retry_last
from tests.commands.conftest import Call
from tests.kit.forms import are_forms
from tests.kit.stage import TERMS, Stage


def failed(stage: Stage, *keys: str) -> list[str]:
    owner = stage.owner()
    numbers = []
    for key in keys:
        claimed = stage.hold(key, owner)
        stage.fail(claimed)
        numbers.append(str(claimed.message.id))
    return numbers


def test_F45_dead_letters_are_listed_newest_first_and_replayed_once(stage: Stage, lanes: Call) -> None:
    first, second = failed(stage, "a/b", "漢字 \u202e")
    listed = lanes("dead-letters", "--json")
    assert listed.code == 0
    are_forms(listed.json, "Message")
    assert [message["id"] for message in listed.json] == [second, first]
    again = lanes("retry", first, "--json").json["id"]
    retried, *_ = [message for message in lanes("dead-letters", "--json").json if message["id"] == first]
    assert retried["retried_as"] == again
    text = lanes("dead-letters").out
    assert text.splitlines()[0].split() == ["ID", "ENDED", "KEY", "CAUSE"]
    assert f"retried as {again}" in text
    assert "漢字 \\u202e" in text
    assert "all providers failed" in text
    assert len(lanes("dead-letters", "--limit", "1").out.splitlines()) == 2


def test_none(stage: Stage, lanes: Call) -> None:
    nothing = lanes("dead-letters")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no dead letter\n")
    assert lanes("dead-letters", "--json").json == []


def test_they_are_pruned_by_hand_alone(stage: Stage, lanes: Call) -> None:
    old, new = failed(stage, "old", "new")
    at = "UPDATE messages SET ended_at = ended_at - 864000000 WHERE id = :id"
    stage.store.write(lambda tx: tx.run(at, {"id": int(old)}))
    assert [m["id"] for m in lanes("dead-letters", "--older-than", "7d", "--json").json] == [old]
    refused = lanes("dead-letters", "--prune", "--older-than", "7d")
    assert (refused.code, refused.out) == (2, "")
    assert "--yes" in refused.err
    pruned = lanes("dead-letters", "--prune", "--older-than", "7d", "--yes", "--json")
    assert (pruned.code, pruned.json) == (0, {"pruned": 1})
    assert [m["id"] for m in lanes("dead-letters", "--json").json] == [new]
    assert lanes("dead-letters", "--prune", "--older-than", "7d").out == "0 dead letters pruned\n", "nothing to ask"
    assert lanes("dead-letters", "--prune", "--older-than", "0s", "--yes").out == "1 dead letter pruned\n"
    assert lanes("doctor", "--json").code == 0


def test_F671_what_is_pruned_is_counted_and_not_read(stage: Stage, lanes: Call) -> None:
    size, many, owner = 200_000, 50, stage.owner()
    for number in range(many):
        stage.send(f"k:{number}", "x" * size)
        stage.fail(stage.claim(f"k:{number}", owner, TERMS))
    tracemalloc.start()
    try:
        pruned = lanes("dead-letters", "--prune", "--older-than", "0s", "--yes")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (pruned.code, pruned.out) == (0, f"{many} dead letters pruned\n")
    assert most < size * many / 2


@pytest.mark.parametrize(
    "arguments", [["--prune"], ["--yes"], ["--prune", "--older-than", "1d", "--limit", "3"], ["--older-than", "old"]]
)
def test_what_cannot_be_meant_is_2(stage: Stage, lanes: Call, arguments: list[str]) -> None:
    (number,) = failed(stage, "k")
    assert lanes("dead-letters", *arguments).code == 2
    assert lanes("dead-letters", "--json").json[0]["id"] == number


def test_the_filter_chooses_before_the_limit_cuts(stage: Stage, lanes: Call) -> None:
    me = stage.owner()
    for key in ("wanted", "other", "other", "other"):
        stage.fail(stage.hold(key, me))
    for command in ("dead-letters", "messages wanted"):
        (found,) = lanes(*command.split(), "--limit", "1", "--filter", "key:wanted state:failed", "--json").json
        assert found["key"] == "wanted"
    (found,) = lanes("dead-letters", "--limit", "1", "--filter", "key:wanted", "--older-than", "0s", "--json").json
    assert found["key"] == "wanted"


def test_the_last_failure_to_retry_is_found_behind_many_that_were_retried(stage: Stage) -> None:
    config = from_data({"queue": {"cap": 1000}})
    me, ctx = stage.owner(), Context("alice", configured=lambda: config)
    failed = []
    for _ in range(AT_ONCE + 2):
        claimed = stage.hold("a", me)
        stage.fail(claimed)
        failed.append(claimed.message.id)
    first, second, *others = failed
    for number in others:
        perform(stage.store, retry(ctx, number))
    assert [perform(stage.store, retry_last(ctx, "a")).retry_of for _ in range(2)] == [second, first]
    with pytest.raises(NotAllowed):
        perform(stage.store, retry_last(ctx, "a"))
