"""The question before the dashboard of ``lanes up`` is closed: whether the gateway continues."""

from enum import Enum

from lanes_tui.dialogs.question import DialogChoice, Question
from lanes_tui.display import text


class Leaving(Enum):
    """How to leave."""

    STOP = "stop the gateway and quit"
    KEEP = "quit and leave it running"
    STAY = "do not quit"


class LeavingDialog(Question[Leaving]):
    """Asks how to leave."""

    def __init__(self) -> None:
        super().__init__(
            "Quit",
            [text.line("This dashboard came with a gateway. Stopping it lets runs end first; what waits is kept.")],
            [
                DialogChoice(Leaving.STOP, "Stop gateway and quit", "yes"),
                DialogChoice(Leaving.KEEP, "Leave it running", "keep gateway"),
                DialogChoice(Leaving.STAY, "Cancel"),
            ],
            leave=Leaving.STAY,
        )
