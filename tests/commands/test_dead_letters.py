"""lanes dead-letters: every failed message, and its pruning by hand."""

from tests.commands.conftest import Call
from tests.kit.forms import are_forms
from tests.kit.stage import Stage


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
