"""What widgets tell the screen."""

from dataclasses import dataclass

from textual.message import Message


@dataclass
class LaneChosen(Message):
    """The cursor stands on another lane (None: its place is known, its lane not yet)."""

    key: str | None


@dataclass
class WindowWanted(Message):
    """The table shows places whose lanes it does not hold."""


@dataclass
class FilterTyped(Message):
    """The filter reads otherwise than before."""

    typed: str


@dataclass
class FilterLeft(Message):
    """The filter keeps what was typed; the keys belong to the table again."""
