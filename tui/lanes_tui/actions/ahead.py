"""Keys that are typed ahead of a question, while what it is about is being read."""

from time import monotonic

from textual.events import Key
from textual.screen import Screen

#: Nothing is held for longer than that.
LONGEST_S = 10.0


class HeldKeys:
    """What was typed since, and the screen where it was typed."""

    def __init__(self, below: Screen[object]) -> None:
        self.below = below
        self.keys: list[Key] = []
        self._since = monotonic()

    @property
    def is_over(self) -> bool:
        """Whether it takes so long that keys have their usual meaning again."""
        return monotonic() - self._since > LONGEST_S
