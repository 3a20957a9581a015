"""The declaration of a setting: its name, its kind, its bounds."""

from enum import StrEnum

from lanes.base.durations import LONGEST_MS
from lanes_storage.tuples import NamedTuple

#: The tables of the file, and its arrays of tables.
SECTIONS = ("database", "gateway", "clocks", "queue", "hooks")
ARRAYS = ("runner", "provider", "source", "policy", "watch", "alert")

_SOCKET, _WEB = ("ws", "wss"), ("http", "https")
#: The programs whose gateways can be watched, and the schemes of their addresses, the encrypted one last.
WATCHED = {"openclaw": _SOCKET, "opencode": _WEB, "codex": _SOCKET, "langgraph": _WEB}


class Kind(StrEnum):
    """The kind of a setting's value; each member's text describes it to people."""

    TEXT = "a text"
    PATH = "a path"
    NAME = "a name of at most 64 printable characters"
    WHOLE = "a whole number"
    NUMBER = "a number such as 2 or 0.25"
    DURATION = "a duration such as 500ms, 30s, 5m, 2h or 14d"
    LIMIT = "a duration such as 30s or 5m, or off"
    CHOICE = "one of the words that it allows"
    TEXTS = "a list of texts"
    WORDS = "a list of words, such as a program and its arguments"
    FLAG = "true or false"
    TABLE = "a table of texts"
    OBJECT = "a table"
    FIELDS = "a table of the fields that it has"


class Setting(NamedTuple):
    """One setting.

    ``default`` is written as in the file; None: none, or as ``default_note`` says. Bounds are in units of the
    kind, milliseconds for durations. ``in_policy`` settings may also stand in a policy. ``runner_kinds`` limits a
    setting to some kinds of runners; (): all. ``fields`` are those of a table (``Kind.FIELDS``).
    """

    section: str
    name: str
    kind: Kind
    default: str | int | bool | tuple[str, ...] | None
    meaning: str
    default_note: str = ""
    least: int = 0
    most: int = LONGEST_MS
    choices: tuple[str, ...] = ()
    in_policy: bool = False
    required: bool = False
    runner_kinds: tuple[str, ...] = ()
    fields: tuple["Setting", ...] = ()

    @property
    def key(self) -> str:
        """The name with its section: ``clocks.run_timeout``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str | None:
        """The environment variable that overrides it, or None."""
        if self.section not in SECTIONS or self.kind in (Kind.TEXTS, Kind.WORDS, Kind.FIELDS):
            return None
        return f"LANES_{self.section}_{self.name}".upper()
