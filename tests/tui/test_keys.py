"""One meaning for each key, on every screen; and a command is found by its name."""

from collections import Counter
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.widget import Widget

from lanes_tui.actions.keys import KEYS
from lanes_tui.app import Dashboard
from lanes_tui.dialogs.palette import Command, Palette
from lanes_tui.dialogs.send import SendDialog
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.test_docs import _subclasses, own_bindings


def ours() -> list[type[Any]]:
    """Every class of the dashboard that may bind keys."""
    return [Dashboard, *(each for each in _subclasses(Widget) if each.__module__.startswith("lanes_tui"))]


def test_no_key_means_two_things() -> None:
    keys = Counter(key for meaning in KEYS.values() for key in meaning.keys.split(","))
    assert not {key for key, count in keys.items() if count > 1}


def test_every_key_of_every_screen_is_in_the_table() -> None:
    meaning_of = {key: meaning for meaning in KEYS.values() for key in meaning.keys.split(",")}
    bound = [
        (kind, binding, key) for kind in ours() for binding in own_bindings(kind) for key in binding.key.split(",")
    ]
    wrong = [(kind.__name__, key) for kind, binding, key in bound if not _means(binding, meaning_of.get(key))]
    assert bound
    assert not wrong


def _means(binding: Binding, meaning: Any) -> bool:
    return meaning is not None and (binding.description, binding.tooltip) == (meaning.word, meaning.does)


def test_every_meaning_is_used() -> None:
    used = {binding.description for kind in ours() for binding in own_bindings(kind)}
    assert {meaning.word for meaning in KEYS.values()} - used <= {KEYS["yes"].word, KEYS["keep gateway"].word}


def test_a_name_goes_before_a_description() -> None:
    offered = [
        Command("Retry", "Retry a failed message", "R", "", DOMNode()),
        Command("Next message", "", "", "", DOMNode()),
        Command("Message", "Message to the lane", "m", "", DOMNode()),
    ]
    ranks = {command.name: command.rank(["mess"]) for command in offered}
    assert sorted(ranks, key=lambda name: ranks[name] or 0) == ["Message", "Next message", "Retry"]


async def test_mess_enter_writes_a_message(stage: Stage) -> None:
    stage.send("one:1", "hello")
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("colon")
        await driver.dialog(Palette)
        await driver.write("mess")
        await driver.press("enter")
        await driver.dialog(SendDialog)
