"""Tools for tests of programs that embed lanes, and of lanes itself. The rest of lanes does not import them.

- ``gateway``: a gateway whose time a test moves (``advance``), and that can end as if its process had died.
- ``Hands``: a clock that stands still until a test moves it; pass it to ``lanes.connect(…, clock=…)``.
- ``broken``: the invariants that do not hold in a database.
- ``read_history`` judges a campaign by the journal, ``read_provider`` by the log of the simulated provider.
- ``KillPoint``: makes the program kill itself at a chosen commit; ``python -m lanes.testing`` does so to ``lanes``.
"""

from lanes.testing.gateways import TimedGateway, advance, gateway
from lanes.testing.history import History, read_history
from lanes.testing.invariants import broken
from lanes.testing.killing import KillPoint
from lanes.testing.moments import DAY, HOUR, MINUTE, SECOND, START, Hands
from lanes.testing.provider import Asked, read_provider

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "START",
    "Asked",
    "Hands",
    "History",
    "KillPoint",
    "TimedGateway",
    "advance",
    "broken",
    "gateway",
    "read_history",
    "read_provider",
]
