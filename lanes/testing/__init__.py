"""What lanes is tested with, for tests of programs that embed it. Nothing else of lanes imports it.

- ``gateway``: a gateway whose time a test moves (``advance``), and which can end as the death of its process would.
- ``Hands``: a clock that stands still until a test moves it; hand it to ``lanes.connect(…, clock=…)``.
- ``broken``: the invariants that do not hold in a database.
- ``read_history``: the judge of a campaign, from the journal; ``read_provider``: the same from what the simulated
  provider saw.
- ``KillPoint``: the program kills itself at a chosen commit; ``python -m lanes.testing`` does so to ``lanes``.
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
