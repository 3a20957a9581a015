"""The filter language: what terms mean, and that half a term loses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes import filters
from lanes_storage.law import LaneState
from lanes_storage.records import LaneFilter

NOW = 1_000_000_000

MEANINGS = {
    "": LaneFilter(),
    "feishu oc_1": LaneFilter(contains=("feishu", "oc_1")),
    "agent:main:feishu": LaneFilter(contains=("agent:main:feishu",)),
    '"two words" -cron': LaneFilter(contains=("two words",), without=("cron",)),
    '"state:idle"': LaneFilter(contains=("state:idle",)),
    "state:err,run": LaneFilter(states=(LaneState.ERRORED, LaneState.RUNNING)),
    "STATE:Idle state:a": LaneFilter(states=(LaneState.IDLE, LaneState.ABORTED)),
    "key:agent:*:42": LaneFilter(match="agent:*:42"),
    'key:"a b" key:c': LaneFilter(contains=("a b", "c")),
    "owner:gw-1:4711": LaneFilter(owner="gw-1:4711"),
    "held:>5m": LaneFilter(held_since=NOW - 300_000, at=NOW),
    "held:5m wait:<1m": LaneFilter(held_since=NOW - 300_000, waits_after=NOW - 60_000, at=NOW),
    "beat:>=30s": LaneFilter(beat_since=NOW - 30_000, at=NOW),
    "queue:>3": LaneFilter(queued_least=4),
    "queue:>=3 queue:<=9": LaneFilter(queued_least=3, queued_most=9),
    "queue:<3": LaneFilter(queued_most=2),
    "queue:0": LaneFilter(queued_least=0, queued_most=0),
    'error:timeout error:"not found"': LaneFilter(error=("timeout", "not found")),
    "paused:yes": LaneFilter(paused=True, at=NOW),
    "paused:NO": LaneFilter(paused=False, at=NOW),
    "- -x": LaneFilter(without=("x",)),
    "飞书 🎉": LaneFilter(contains=("飞书", "🎉")),
}


@pytest.mark.parametrize("typed", MEANINGS)
def test_a_filter_means_what_it_says(typed: str) -> None:
    assert filters.parse(typed, NOW) == (MEANINGS[typed], None)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("state:", "state: is followed by a value"),
        ("state:sleeping", "no state “sleeping”: idle, running, errored, aborted"),
        ("held:>", "a duration is a number and a unit"),
        ("held:>5", "a duration is a number and a unit"),
        ("queue:>", "a number is missing"),
        ("queue:many", "a number is missing"),
        ("paused:maybe", "yes or no"),
        ("key:a* key:b*", "only one pattern"),
        ("stat:idle", "did you mean state:"),
        ("-state:idle", "only a part of the key can be excluded"),
    ],
)
def test_what_is_not_understood_is_told_and_the_rest_holds(typed: str, said: str) -> None:
    parsed = filters.parse(f"feishu {typed} queue:>0", NOW)
    assert said in (parsed.problem or "")
    assert parsed.chosen.contains[0] == "feishu"
    assert parsed.chosen.queued_least == 1


def test_every_beginning_of_a_filter_can_be_read() -> None:
    whole = 'state:errored,running key:agent:* owner:gw held:>5m queue:>=3 error:"time out" paused:yes wait:>1m -x "q'
    for length in range(len(whole) + 1):
        filters.parse(whole[:length], NOW)
    assert filters.parse(whole, NOW).chosen.contains == ("q",)


def test_the_examples_of_the_fields_are_understood() -> None:
    assert [filters.parse(example, NOW).problem for example, _ in filters.FIELDS.values()] == [None] * len(
        filters.FIELDS
    )


@pytest.mark.parametrize("key", ["agent:main:42", "two words", "state:idle", "-dash", "飞书 🎉"])
def test_a_quoted_key_chooses_itself(key: str) -> None:
    assert filters.parse(filters.quoted(key), NOW) == (LaneFilter(contains=(key,)), None)


TERMS = st.sampled_from(
    [*MEANINGS, '"two words" -"and more"', "beat:<31s wait:>1m", "a:b:c", "微信", "paused:no", "-cron held:<90s"]
)


@given(st.lists(TERMS, max_size=5))
def test_a_filter_that_is_written_down_reads_the_same(terms: list[str]) -> None:
    chosen = filters.parse(" ".join(terms), NOW).chosen
    again = filters.parse(filters.written(chosen, NOW), NOW)
    assert again.problem is None
    assert again.chosen == chosen
