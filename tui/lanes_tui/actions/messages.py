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
    """The filter field was left: keys go to the table again."""


@dataclass
class MarkAllWanted(Message):
    """All that this filter chooses is to be marked. It may be newer than what is shown."""

    typed: str


@dataclass
class SearchLeft(Message):
    """The search is over. ``kept``: the cursor stays on what it found."""

    kept: bool


@dataclass
class SortWanted(Message):
    """The lanes are to be sorted by this, or in reverse if they already are."""

    by: LaneSort


class PasteRefused(Message):
    """What was pasted is longer than the field takes."""
