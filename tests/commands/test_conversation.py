"""``lanes conversation``: what a lane remembers, a new conversation, one that is taken along and brought in."""

import json
from pathlib import Path

import pytest

from lanes.commands.output.printing import Output
from tests.commands.conftest import Call
from tests.kit.stage import Stage

KEY = "agent:main:telegram:42"


@pytest.fixture
def owner(stage: Stage) -> int:
    return stage.owner()


@pytest.fixture
def talked(stage: Stage, owner: int) -> None:
    """One exchange, and one text that failed."""
    for text in ("hello", "are you there?"):
        stage.send(KEY, text)
        claimed = stage.claim(KEY, owner)
        if text == "hello":
            stage.complete(claimed, "hi")
        else:
            stage.fail(claimed)


@pytest.mark.usefixtures("talked")
def test_it_shows_each_turn(lanes: Call) -> None:
    shown = lanes("conversation", KEY)
    assert shown.code == 0
    assert [line for line in shown.out.splitlines() if line.startswith(">") or line == "hi"] == [
        "> hello", "hi", "> are you there?",
    ]  # fmt: skip
    assert "message 1, done" in shown.out
    assert "message 2, failed" in shown.out
    told = lanes("conversation", KEY, "--json").json
    assert (told["key"], told["number"], told["current"]) == (KEY, 1, True)
    assert [(turn["message_id"], turn["text"], turn["reply"], turn["told"]) for turn in told["turns"]] == [
        ("1", "hello", "hi", True), ("2", "are you there?", None, True),
    ]  # fmt: skip
    assert lanes("--json", "conversation", KEY, "--limit", "1").json["turns"] == told["turns"][1:]


@pytest.mark.usefixtures("talked")
def test_a_new_one_begins_and_the_old_one_stays_readable(lanes: Call) -> None:
    begun = lanes("conversation", "new", KEY)
    assert (begun.code, begun.out) == (0, f"{KEY}: a new conversation begins with the next message\n")
    assert lanes("conversation", KEY, "--json").json["turns"] == []
    assert "it has no turns yet" in lanes("conversation", KEY).err
    assert "> hello" in lanes("conversation", KEY, "--number", "1").out
    assert lanes("conversation", KEY, "--number", "7").code == 3
    assert "conversation 2 of" in lanes("conversation", KEY).out
    assert "number" in json.dumps(lanes("events", KEY, "--type", "conversation", "--json").json)


def test_a_held_lane_keeps_its_conversation(stage: Stage, lanes: Call, owner: int) -> None:
    stage.hold(KEY, owner)
    refused = lanes("conversation", "new", KEY)
    assert refused.code == 1
    assert "use abort" in refused.err


@pytest.mark.usefixtures("talked")
@pytest.mark.parametrize(("answer", "number"), [("y\n", 2), ("n\n", 1)])
def test_on_a_terminal_it_asks(lanes: Call, monkeypatch: pytest.MonkeyPatch, answer: str, number: int) -> None:
    monkeypatch.setattr(Output, "is_interactive", property(lambda _: True))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: answer.strip())
    assert lanes("conversation", "new", KEY).code == (0 if number == 2 else 1)
    assert lanes("conversation", KEY, "--json").json["number"] == number
    assert lanes("conversation", "new", KEY, "--yes").code == 0


@pytest.mark.usefixtures("talked")
def test_it_is_taken_along_and_brought_in(lanes: Call, tmp_path: Path) -> None:
    taken = lanes("conversation", "export", KEY)
    assert [(each["role"], each["content"]) for each in taken.json["messages"]] == [
        ("user", "hello"), ("assistant", "hi"), ("user", "are you there?"),
    ]  # fmt: skip
    file = tmp_path / "talk.json"
    file.write_text(taken.out, encoding="utf-8-sig")  # as programs of Windows do
    assert lanes("conversation", "import", "another", str(file)).code == 0
    assert [(turn["text"], turn["reply"]) for turn in lanes("conversation", "another", "--json").json["turns"]] == [
        ("hello", "hi"), ("are you there?", None),
    ]  # fmt: skip
    assert lanes("conversation", "export", "another").json["messages"] == taken.json["messages"]
    assert "imported" in lanes("conversation", "another").out


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("no json", "FILE is not JSON"),
        (" ", "FILE is empty"),
        ('{"messages": "none"}', "no list of chat messages"),
        ('[{"role": "system", "content": "be brief"}]', "'system'"),
        ('[{"role": "assistant", "content": "hi"}]', "the first message must be from a user"),
        ('[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]', "only texts"),
        ("[]", "0 turns"),
    ],
)
def test_what_cannot_be_remembered_is_refused_by_name(
    lanes: Call, stage: Stage, tmp_path: Path, said: str, why: str
) -> None:
    stage.send(KEY, "hello")
    file = tmp_path / "talk.json"
    file.write_text(said)
    refused = lanes("conversation", "import", KEY, str(file))
    assert refused.code == 2
    assert why in refused.err


def test_calls_of_tools_come_back_as_they_were(lanes: Call, stage: Stage, tmp_path: Path) -> None:
    stage.send(KEY, "hello")
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "look around"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a door"},
        {"role": "assistant", "content": "There is a door."},
    ]
    file = tmp_path / "talk.json"
    file.write_text(json.dumps({"messages": messages}))
    assert lanes("conversation", "import", KEY, str(file)).code == 0
    (turn,) = lanes("conversation", KEY, "--json").json["turns"]
    assert (turn["reply"], turn["tools"]) == ("There is a door.", ["look"])
    assert lanes("conversation", "export", KEY).json["messages"] == messages


def test_a_key_that_is_a_word_of_the_command_is_shown_by_its_name(lanes: Call, stage: Stage) -> None:
    stage.send("new", "hello")
    assert lanes("conversation", "show", "new", "--json").json["key"] == "new"
    assert lanes("conversation", "new", "new").code == 0


def test_send_fresh_begins_one(lanes: Call, stage: Stage, owner: int) -> None:
    stage.send(KEY, "old")
    stage.complete(stage.claim(KEY, owner))
    assert lanes("send", KEY, "new", "--fresh").code == 0
    stage.complete(stage.claim(KEY, owner), "yes")
    told = lanes("conversation", KEY, "--json").json
    assert (told["number"], [turn["text"] for turn in told["turns"]]) == (2, ["new"])
    assert [span["turns"] for span in told["conversations"]] == [1, 1]


@pytest.mark.usefixtures("talked")
def test_a_bundle_without_texts_has_none_of_it(lanes: Call, tmp_path: Path) -> None:
    lanes("conversation", "new", KEY)
    file = tmp_path / "bundle.zip"
    assert lanes("bundle", str(file)).code == 0
    import zipfile

    with zipfile.ZipFile(file) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "are you there?" not in content
    assert '"conversation"' in content, "the journal says that one began"
