"""The messages from widgets to the screen."""

from dataclasses import dataclass

from textual.message import Message

from lanes_storage.records import LaneSort


@dataclass
class FilterWanted(Message):
    """The main screen is to show the lanes of this filter."""

    typed: str


@dataclass
class FilterLeft(Message):
    """The filter keeps what was typed; the keys belong to the table again."""


@dataclass
class MarkAllWanted(Message):
    """All that this filter chooses is to be marked: it may have been typed just now."""

    typed: str


@dataclass
class SearchLeft(Message):
    """The search is over. ``kept``: the cursor stays where it came to."""

    kept: bool


@dataclass
class SortWanted(Message):
    """The lanes are to be sorted by this; if they are, the other way round."""

    by: LaneSort


class PasteRefused(Message):
    """What was pasted is longer than the field takes."""
