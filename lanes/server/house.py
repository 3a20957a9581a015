"""What every route needs: the gateway, its configuration, the journal, and whether all is closing."""

import asyncio

from lanes.config import Config
from lanes.desk import Desk
from lanes.gateway import Gateway
from lanes.server.clients import Clients
from lanes.server.journal import Feed


class House:
    """One gateway with everything that its routes share."""

    def __init__(self, gateway: Gateway, config: Config) -> None:
        self.gateway = gateway
        self.config = config
        self.feed = Feed(gateway.desk)
        self.clients = Clients()
        self.closing = asyncio.Event()

    @property
    def desk(self) -> Desk:
        return self.gateway.desk

    def close(self) -> None:
        """The gateway has stopped: whoever still waits or follows is sent home."""
        self.closing.set()
        self.feed.end()
