"""The dashboard of a tab: without actions that write files on this machine, and with a warning if it may act."""

from collections.abc import Iterable

from textual.drivers._byte_stream import ByteStream
from textual.drivers.web_driver import WebDriver
from textual.message import Message

from lanes_tui.app import Dashboard
from lanes_tui.surroundings import HUNG_UP
from lanes_tui.typed import TypedStream

#: Actions that write files on this machine, or suspend a process that no shell would resume.
LEFT_OUT = frozenset({"export", "screenshot", "suspend_process"})
#: What every screen shows where the dashboard may act.
SIGN = "WRITES, IN A BROWSER"


class TabDriver(WebDriver):
    """The toolkit's driver for browsers, with pastes as single events; it leaves when the server is gone."""

    def run_input_thread(self) -> None:
        """Read what is typed until told to stop, or until there is nothing to read from."""
        typed, packets = TypedStream(), ByteStream()
        for data in self._input_reader:
            for kind, payload in packets.feed(data) if data else ():
                if kind == "D":
                    self._process(typed.feed(payload))
                else:
                    self._on_meta(kind, payload)
            if not data:
                self._process(typed.quiet())
        if not self.exit_event.is_set():
            self._app.call_later(self._app.exit, HUNG_UP)

    def _process(self, events: Iterable[Message]) -> None:
        for event in events:
            self.process_message(event)


class TabDashboard(Dashboard):
    """The dashboard of one tab."""

    DRIVER = TabDriver

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """False for ``LEFT_OUT``: then there is no such action, key or entry of the palette."""
        return False if action in LEFT_OUT else super().check_action(action, parameters)
