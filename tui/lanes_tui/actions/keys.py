"""Every key of the dashboard and what it does: the same on every screen where it does anything.

A screen binds the keys of a named meaning, so that no key has two meanings. A test checks that no class binds a key in
any other way.
"""

from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import lookup

from textual.binding import ActiveBinding, Binding, BindingType
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

_NAMED = {each.value.rpartition("+")[2] for each in Keys} | set(KEY_NAME_REPLACEMENTS.values()) | {"space"}


class KeyMeaning(NamedTuple):
    """The keys, as the toolkit names them; a word for the footer; a sentence for the help; how the key is shown."""

    keys: str
    word: str
    does: str
    sign: str = ""


KEYS: dict[str, KeyMeaning] = {
    # moving
    "up": KeyMeaning("up,k", "Up", "Up"),
    "down": KeyMeaning("down,j", "Down", "Down"),
    "left": KeyMeaning("left", "Left", "Left"),
    "right": KeyMeaning("right", "Right", "Right"),
    "page up": KeyMeaning("pageup,ctrl+u", "Page up", "Page up"),
    "page down": KeyMeaning("pagedown,ctrl+d", "Page down", "Page down"),
    "first": KeyMeaning("home,g", "First", "To the top"),
    "last": KeyMeaning("end,G", "Last", "To the bottom"),
    # screens
    "open": KeyMeaning("enter", "Open", "Open the row under the cursor; in a field or a question: accept", "⏎"),
    "back": KeyMeaning("escape", "Back", "Back: cancel, clear the filter, or close", "esc"),
    "leave": KeyMeaning("q", "Quit", "Close this screen; on the main screen: quit"),
    "interrupt": KeyMeaning("ctrl+c", "Quit", "Cancel, close or quit, on every screen"),
    "help": KeyMeaning("question_mark", "Help", "Help", "?"),
    "commands": KeyMeaning("colon", "Commands", "Commands, by name", ":"),
    "suspend": KeyMeaning("ctrl+z", "Suspend", "Suspend: back to the shell, `fg` returns"),
    "journal": KeyMeaning("J", "Journal", "Journal"),
    "owners": KeyMeaning("O", "Owners", "Owners"),
    "providers": KeyMeaning("H", "Providers", "The health of the providers"),
    "dead letters": KeyMeaning("D", "Dead letters", "Dead letters"),
    # what is shown
    "filter": KeyMeaning("slash", "Filter", "Filter", "/"),
    "complete": KeyMeaning("tab", "Complete", "Accept the suggested word"),
    "search": KeyMeaning("ctrl+f,f3", "Go to", "Go to a lane by part of its key", "^f"),
    "next": KeyMeaning("n", "Next", "The next lane with that part of its key"),
    "previous": KeyMeaning("N", "Previous", "The previous one"),
    "sort": KeyMeaning("s", "Sort", "Sort by the next column"),
    "reverse": KeyMeaning("S", "Reverse", "Reverse the order"),
    "columns": KeyMeaning("c", "Columns", "Choose the columns"),
    "usual": KeyMeaning("u", "Usual", "The default columns"),
    "view": KeyMeaning("1,2,3,4,5,6,7,8,9", "View", "Show the view kept under this number"),
    "keep view": KeyMeaning("M", "Keep view", "Keep this view: press its number next"),
    "groups": KeyMeaning("L", "Groups", "Group the lanes by the first parts of their keys"),
    "fold": KeyMeaning("left_square_bracket", "Fewer parts", "Group by fewer parts of the keys", "["),
    "unfold": KeyMeaning("right_square_bracket", "More parts", "Group by more parts of the keys", "]"),
    "freeze": KeyMeaning("f", "Freeze", "Freeze the screen; again: follow"),
    "faster": KeyMeaning("plus,equals_sign", "Faster", "Refresh more often", "+"),
    "slower": KeyMeaning("minus", "Slower", "Refresh less often", "-"),
    "refresh": KeyMeaning("r", "Refresh", "Refresh"),
    "follow": KeyMeaning("F", "Follow", "After an action: follow the lane, or keep the place in the list"),
    "mute": KeyMeaning("B", "Mute", "Bell when a run falls silent: on or off"),
    "detail": KeyMeaning("v", "Detail", "Show or hide the detail"),
    "wrap": KeyMeaning("w", "Wrap", "Wrap the lines of the message, or cut them"),
    "tail": KeyMeaning("t", "Tail", "Follow the newest events: on or off"),
    "bundle": KeyMeaning("b", "Bundle", "The same event of many lanes in one line, or one by one"),
    "zone": KeyMeaning("z", "Time zone", "Times in UTC, or in the zone of this machine"),
    "theme": KeyMeaning("T", "Theme", "The next theme"),
    "ascii": KeyMeaning("X", "ASCII", "Draw with ASCII only: on or off"),
    # choosing
    "mark": KeyMeaning("space", "Mark", "Mark or unmark", "␣"),
    "mark range": KeyMeaning("V,ctrl+@,ctrl+space", "Mark range", "Start a range of marks; again: end it", "V"),
    "mark all": KeyMeaning("ctrl+a", "Mark all", "Mark everything that matches", "^a"),
    "mark others": KeyMeaning("i", "Invert marks", "Invert the marks"),
    "mark none": KeyMeaning("U", "Unmark all", "Remove all marks"),
    # acting
    "abort": KeyMeaning("a", "Abort", "Abort"),
    "force": KeyMeaning("A", "Force", "Abort by force: no grace period"),
    "pause": KeyMeaning("p", "Pause", "Pause, or resume what is paused"),
    "pause all": KeyMeaning("P", "Pause all", "Pause every lane, future ones too; or resume"),
    "retry": KeyMeaning("R", "Retry", "Retry a failed message; of a lane: its last one"),
    "ack": KeyMeaning("K", "Ack", "Acknowledge an errored or aborted lane: it turns idle"),
    "new conversation": KeyMeaning("C", "New talk", "Start a new conversation: earlier turns are not sent any more"),
    "message": KeyMeaning("m", "Message", "Send the lane a message, or answer its question"),
    "drop": KeyMeaning("d", "Drop", "Drop a waiting message"),
    "prune": KeyMeaning("x", "Prune", "Delete this dead letter and all that failed before it"),
    "drain": KeyMeaning("W", "Drain", "Drain a gateway: it claims nothing more"),
    "reset": KeyMeaning("ctrl+r", "Reset", "End a provider's cooldown: ask it again now", "^r"),
    "yes": KeyMeaning("y", "Yes", "Yes, in a question"),
    "keep gateway": KeyMeaning("l", "Leave running", "When asked on quitting: leave the gateway running"),
    "stop": KeyMeaning("ctrl+k", "Stop", "Stop the action in progress"),
    "outcomes": KeyMeaning("o", "Outcomes", "Outcomes of the last bulk action"),
    "steer": KeyMeaning(
        "ctrl+t", "Steer", "Give the text to the current run; if not taken, it waits in the queue", "^t"
    ),
    "send": KeyMeaning("ctrl+s", "Send", "Send", "^s"),
    # taking along
    "copy": KeyMeaning("Y", "Copy", "Copy the key of the lane; in a question: the equivalent command"),
    "export": KeyMeaning("e", "Export", "Export the filtered lanes as JSON"),
    "screenshot": KeyMeaning("E", "Screenshot", "Screenshot, as SVG"),
}


#: The sections of the help, by the meaning that begins each.
SECTIONS = {
    "up": "MOVING", "open": "SCREENS", "filter": "WHAT IS SHOWN", "mark": "MARKING", "abort": "ACTING",
    "copy": "COPYING AND SAVING",
}  # fmt: skip


def usable(keymap: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The entries of a person's keymap that can be used, and a sentence on each that cannot."""
    accepted, wrong = dict(keymap), {}
    for name, chosen in keymap.items():
        if name not in KEYS:
            wrong[name] = "no action has this name"
        elif unknown := [key for key in chosen.split(",") if not _is_key(key)]:
            wrong[name] = f"{unknown[0]!r} is not a key"
    while True:  # a refused entry has its usual keys again, which may collide with other entries
        accepted = {name: keys for name, keys in accepted.items() if name not in wrong}
        owners: dict[str, list[str]] = {}
        for name, meaning in KEYS.items():
            for key in accepted.get(name, meaning.keys).split(","):
                owners.setdefault(key, []).append(name)
        twice = [
            (key, names) for key, names in owners.items() if len(names) > 1 and any(each in accepted for each in names)
        ]
        if not twice:
            return accepted, [f"{name} = {keymap[name]!r}: {why}" for name, why in wrong.items()]
        for key, names in twice:
            wrong |= {
                name: f"{key!r} is also used by {next(n for n in names if n != name)!r}"
                for name in names
                if name in accepted
            }


def _is_key(key: str) -> bool:
    name = key.rpartition("+")[2]
    return len(name) == 1 or name in _NAMED or _is_character(name)


def _is_character(name: str) -> bool:
    try:
        return bool(lookup(name.replace("_", " ")))
    except KeyError:
        return False


def is_ours(binding: Binding) -> bool:
    """Whether a binding is one of ``KEYS``, not of the toolkit."""
    return place_of(binding) < len(KEYS)


def place_of(binding: Binding) -> int:
    """The place of a binding in ``KEYS``, which is the order of the help; after all of them if it is not there."""
    texts = binding.description, binding.tooltip
    return next((at for at, each in enumerate(KEYS.values()) if (each.word, each.does) == texts), len(KEYS))


def means(active: Mapping[str, ActiveBinding], key: str, *names: str) -> bool:
    """Whether a key has one of these meanings among the ``active`` bindings of a screen, a person's keymap included."""
    found = active.get(key)
    return found is not None and found.binding.id in names


def section_of(binding: Binding) -> str:
    """The section of the help in which a binding is listed."""
    return [SECTIONS[name] for name in [*KEYS][: place_of(binding) + 1] if name in SECTIONS][-1]


def bind(name: str, action: str, *, show: bool = False, priority: bool = False, only: str = "") -> Binding:
    """Bind the keys of a meaning to an action; ``only``: just these of them."""
    meaning = KEYS[name]
    keys = only or meaning.keys
    assert set(keys.split(",")) <= set(meaning.keys.split(",")), f"{keys} does not mean {name}"
    sign = (meaning.sign or None) if not only else None
    return Binding(
        keys,
        action,
        meaning.word,
        show=show,
        key_display=sign,
        priority=priority,
        tooltip=meaning.does,
        id=None if only else name,
    )


#: For widgets with the actions ``move``, ``page`` and ``jump``.
MOVES: list[BindingType] = [
    bind("up", "move(-1)"),
    bind("down", "move(1)"),
    bind("page up", "page(-1)"),
    bind("page down", "page(1)"),
    bind("first", "jump(0)"),
    bind("last", "jump(-1)"),
]
