"""The filter language: what words mean, and that what is not understood chooses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes import filters
from lanes.base.errors import Unfit
from lanes.filters.spelling import resembling
from lanes_storage.records import Comparison, Condition, How, LaneFilter, Subject

NOW = 1_000_000_000
MINUTE = 60_000


def one(field: str, how: How, *values: str | int, negated: bool = False) -> Condition:
    return Condition(field, tuple(Comparison(how, value) for value in values), negated)


def key(part: str, *, negated: bool = False) -> Condition:
    return one("key", How.HAS, part, negated=negated)


MEANINGS = {
    "": (),
    "feishu oc_1": (key("feishu"), key("oc_1")),
    "agent:main:telegram:42": (key("agent:main:telegram:42"),),
    "agent:*": (one("key", How.FITS, "agent:*"),),
    "agent:[!m]*": (one("key", How.FITS, "agent:[!m]*"),),
    '"two words" -cron !web': (key("two words"), key("cron", negated=True), key("web", negated=True)),
    '"state:idle" "a*" "say ""hi"""': (key("state:idle"), key("a*"), key('say "hi"')),
    "state:err,run": (one("state", How.IS, "errored", "running"),),
    "STATE:Idle -state:a": (one("state", How.IS, "idle"), one("state", How.IS, "aborted", negated=True)),
    "key:agent:*:42": (one("key", How.FITS, "agent:*:42"),),
    'key:"a b" key:c key:=d': (key("a b"), key("c"), one("key", How.IS, "d")),
    "owner:gw-1:4711 owner:4711": (one("owner", How.HAS, "gw-1:4711"), one("owner", How.IS, "4711")),
    "held:>5m": (one("held", How.MORE, 5 * MINUTE),),
    "held:5m wait:<1m": (one("held", How.LEAST, 5 * MINUTE), one("wait", How.LESS, MINUTE)),
    "beat:>=30s silent:<=2m": (one("beat", How.LEAST, 30_000), one("silent", How.MOST, 2 * MINUTE)),
    "since:1h changed:>1d": (one("changed", How.MOST, 60 * MINUTE), one("changed", How.MORE, 24 * 60 * MINUTE)),
    "queue:>3 queue:<=9 queue:0": (one("queue", How.MORE, 3), one("queue", How.MOST, 9), one("queue", How.IS, 0)),
    'error:timeout error:"not found"': (one("error", How.HAS, "timeout"), one("error", How.HAS, "not found")),
    "cause:GHOST,*_timeout": (Condition("cause", (Comparison(How.IS, "ghost"), Comparison(How.FITS, "*_timeout"))),),
    "runner:coder,Chat provider:codex": (one("runner", How.IS, "coder", "Chat"), one("provider", How.IS, "codex")),
    "paused:yes -paused:NO": (one("paused", How.IS, 1), one("paused", How.IS, 0, negated=True)),
    "actor:alice text:refund source:here": (
        one("actor", How.IS, "alice"), one("text", How.HAS, "refund"), one("source", How.IS, "here"),
    ),
    "飞书 🎉": (key("飞书"), key("🎉")),
}  # fmt: skip


@pytest.mark.parametrize("typed", MEANINGS)
def test_a_filter_means_what_it_says(typed: str) -> None:
    assert filters.parse(typed, NOW) == (LaneFilter(MEANINGS[typed], at=NOW), None)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("state:", "state: is followed by a value"),
        ("state:sleeping", "no state “sleeping”: idle, running, errored, aborted"),
        (
            "state:parked",
            "idle, running, errored, aborted; -state:running wait:>0s finds those that are shown as parked",
        ),
        ("state:Paused", "idle, running, errored, aborted; paused:yes finds those that are shown as paused"),
        ("state:,", "1 to 64 words"),
        ("held:>", "a duration must be a number and a unit"),
        ("held:>5", "a duration must be a number and a unit"),
        ("held:=5m", "a duration must be a number and a unit"),
        ("since:>1h", "a duration must be a number and a unit"),
        ("queue:>", "a number is missing"),
        ("queue:many", "a number is missing"),
        ("paused:maybe", "yes or no"),
        ("-", "before what is to be left out"),
        ("!", "before what is to be left out"),
        ('""', '"" is not a word'),
        ('-"', '-" is not a word'),
        ('key:""', "key: is followed by a value"),
        ("a\x00b", "a character that no text may contain"),
        ("a\udcff", "a character that no text may contain"),
        ("a " * 65, "at most 64"),
        ("x" * 5_000, "at most 4096"),
    ],
)
def test_what_is_not_understood_is_told_and_chooses_nothing(typed: str, said: str) -> None:
    parsed = filters.parse(f"feishu {typed}", NOW)
    assert said in (parsed.problem or "")
    assert parsed.chosen == filters.NOTHING
    with pytest.raises(Unfit, match="filter: "):
        filters.chosen(typed, NOW)


DOUBTFUL = {
    "sate:errored": 'did you mean “state:”? A key stands in quotes: "sate:errored"',
    "-stat:idle": "did you mean “state:”?",
    "PROVDIER:x": "did you mean “provider:”?",
    "test:1": "did you mean “text:”?",
    "test:*": "did you mean “text:”?",
}


@pytest.mark.parametrize("typed", DOUBTFUL)
def test_what_resembles_a_field_is_left_to_the_keys_that_there_are(typed: str) -> None:
    chosen = filters.parse(f"feishu {typed}", NOW).chosen
    (doubt,) = chosen.doubtful
    assert DOUBTFUL[typed] in filters.mistyped(doubt)
    assert filters.parse(filters.written(chosen), NOW).chosen == chosen
    with pytest.raises(Unfit, match="filter: no field"):
        filters.chosen(typed, NOW)
    shown = filters.typed(typed, NOW)
    assert DOUBTFUL[typed] in (shown.problem or "")
    assert (shown.chosen == filters.NOTHING) == typed.startswith("-"), "what leaves out may choose too much"
    assert not shown.chosen.doubtful


@pytest.mark.parametrize(
    "typed", ["agent:main", "slack:1", "a:1", "session:x", "x-y:z", "client:42", "chat:7", "run:5"]
)
def test_a_word_with_a_colon_whose_first_part_is_no_field_is_a_part_of_a_key(typed: str) -> None:
    assert filters.parse(typed, NOW).chosen.conditions == (key(typed),)


def test_a_field_says_of_what_it_is() -> None:
    parsed = filters.parse("held:>5m", NOW, Subject.MESSAGE)
    assert "held: is not a field of a message; these are: state:, key:, wait:" in (parsed.problem or "")
    assert "is not a field of an event" in (filters.parse("queue:>1", NOW, Subject.EVENT).problem or "")
    assert filters.chosen("state:failed", NOW, Subject.MESSAGE).of is Subject.MESSAGE
    assert "no state “failed”" in (filters.parse("state:failed", NOW).problem or "")


def test_no_beginning_of_a_filter_is_more_than_the_whole_of_it() -> None:
    """While it is typed it may choose what its words say, or nothing, and never all."""
    whole = 'state:errored,running key:agent:* owner:gw held:>5m queue:>=3 error:"time out" paused:yes wait:>1m -x "q'
    for length in range(1, len(whole) + 1):
        parsed = filters.parse(whole[:length], NOW)
        assert not parsed.chosen.everything
    assert filters.parse(whole, NOW).chosen.conditions[-1] == key("q")


def test_the_examples_of_the_fields_are_understood() -> None:
    for field in filters.FIELDS.values():
        for subject in Subject:
            understood = filters.parse(field.example.replace("errored", "running"), NOW, subject).problem is None
            assert understood == bool(field.of(subject)) or (field.example.startswith("state:"))


TERMS = st.sampled_from(
    [*MEANINGS, '"two words" -"and more"', "beat:<31s wait:>1m", "a:b:c", "微信", "paused:no", "-cron held:<90s"]
)


@given(st.lists(TERMS, max_size=5))
def test_a_filter_that_is_written_down_reads_the_same(terms: list[str]) -> None:
    chosen = filters.parse(" ".join(terms), NOW).chosen
    assert filters.parse(filters.written(chosen), NOW) == (chosen, None)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_is_told_why_it_is_none(typed: str) -> None:
    parsed = filters.parse(typed, NOW)
    assert (parsed.problem is not None) == (parsed.chosen == filters.NOTHING)
    assert parsed.chosen.everything == (not typed.strip())


SLIPS = {
    "state": "state sate satte statte stats",
    "held": "hold hedl heldd hel",
    "provider": "provdier porvider provier prvoider providr porvidre",
    "changed": "chnaged change chagned chanegd chnagde",
    "error": "eror erorr err errors",
}


@pytest.mark.parametrize("meant", SLIPS)
def test_F839_a_word_with_a_slip_resembles_what_was_meant(meant: str) -> None:
    for typed in SLIPS[meant].split():
        assert resembling(typed, filters.FIELDS) == meant


def test_what_keys_begin_with_resembles_no_field() -> None:
    usual = "agent main cron telegram feishu slack session user task demo claude channel course"
    for word in usual.split():
        assert resembling(word, filters.FIELDS) is None
