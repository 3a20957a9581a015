"""The dashboard that runs for a tab: without what would write files here, and with a sign where it may act."""

from textual.drivers.web_driver import WebDriver

from lanes_tui.app import Dashboard
from lanes_tui.surroundings import HUNG_UP

#: What makes files on this machine, or stops a process that no shell would let go on.
LEFT_OUT = frozenset({"export", "screenshot", "suspend_process"})
#: What every screen shows where the dashboard may act.
SIGN = "WRITES, IN A BROWSER"


class TabDriver(WebDriver):
    """The toolkit's driver for browsers, for which a server that is gone is a reason to leave."""

    def run_input_thread(self) -> None:
        """Read what is typed until told to stop, or until there is nothing to read from."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.call_later(self._app.exit, HUNG_UP)


class TabDashboard(Dashboard):
    """The dashboard of one tab."""

    DRIVER = TabDriver

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """As the toolkit asks; False: there is no such action, key or entry of the palette."""
        return False if action in LEFT_OUT else super().check_action(action, parameters)
