"""The context of every operation: the actor, the clock and the configuration, but no store.

It is the only place that holds policies: the command line, HTTP, the dashboard and Python ask it how a lane accepts a
message (``mode``, ``cap``, ``overflow``).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lanes.base import arguments
from lanes.base.errors import ConfigError
from lanes_storage.clock import Clock, Now, system_clock

if TYPE_CHECKING:
    from lanes.config import Config  # a fast command without a configuration does not import it
    from lanes_storage.records import Admission, BudgetTerms

#: The defaults of ``drain_timeout``, ``reconcile_interval`` and the address, where no configuration is read.
DEFAULT_DRAIN_MS = 25_000
DEFAULT_INTERVAL_MS = 5_000
DEFAULT_LISTENS = ("127.0.0.1", 8765)


def unconfigured() -> "Config | None":
    """No configuration: all defaults."""
    return None


class Context:
    """``actor`` is the name for the journal. ``configured`` is called only when a setting is needed.

    ``database``: its name in messages for people. ``frees_watched``: whether watched lanes, those of other programs'
    gateways, may be acted on. Raises Unfit if the actor is not a valid name.
    """

    def __init__(
        self,
        actor: str,
        clock: Clock = system_clock,
        configured: Callable[[], "Config | None"] = unconfigured,
        database: str = "",
        frees_watched: bool = True,
    ) -> None:
        self.actor, self.clock, self.configured = arguments.actor(actor), clock, configured
        self.database, self.frees_watched = database, frees_watched

    def now(self) -> Now:
        """The present time."""
        return self.clock()

    def drain_timeout_ms(self) -> int:
        """How long runs may continue when their gateway is drained. Raises ConfigError."""
        config = self.configured()
        return DEFAULT_DRAIN_MS if config is None else config.clocks.drain_timeout_ms

    def reconcile_interval_ms(self) -> int:
        """The time between two passes of the reconciler. Raises ConfigError."""
        config = self.configured()
        return DEFAULT_INTERVAL_MS if config is None else config.clocks.reconcile_interval_ms

    def listens(self) -> tuple[str, int]:
        """The host and port on which a gateway of this configuration listens. Raises ConfigError."""
        config = self.configured()
        return DEFAULT_LISTENS if config is None else (config.gateway.host, config.gateway.port)

    def secret_files(self) -> tuple[Path, ...]:
        """The files that the configuration names for secrets; empty without a readable configuration."""
        config = self._readable()
        return () if config is None else config.secret_files

    def max_requests(self) -> dict[str, int | None]:
        """How many requests may be in flight at each configured provider; empty without a readable configuration."""
        config = self._readable()
        return {} if config is None else {name: each.max_requests for name, each in config.providers.items()}

    def chain(self, key: str, runner: str | None) -> tuple[str, ...] | None:
        """The providers that a message of that lane may ask, by the runner that it names or else its policy's.

        Empty for a source, whose requests wait for no provider; None where the configuration does not tell.
        """
        config = self._readable()
        if config is None:
            return None
        name = runner or config.policy(key).runner
        configured = config.runner(name)
        return configured.providers if configured is not None else () if name in config.sources else None

    def how_to_start(self, real_runner_ran: Callable[[], bool]) -> str:
        """The command that starts a gateway on this database; ``real_runner_ran`` as for ``start_command``."""
        from lanes.explain.starting import start_command

        return start_command(self._readable(), self.database, real_runner_ran)

    def budgets(self, key: str) -> "tuple[BudgetTerms, ...]":
        """The budgets of that lane, by its policy; empty without a readable configuration."""
        config = self._readable()
        return () if config is None else config.budgets(key)

    def runner_of(self, key: str) -> str | None:
        """The runner of that lane by its policy; None where the configuration does not tell."""
        config = self._readable()
        return None if config is None else config.policy(key).runner or None

    def _readable(self) -> "Config | None":
        """The configuration; None if there is none, or it cannot be read."""
        try:
            return self.configured()
        except ConfigError:
            return None

    def admission(self, key: str) -> "Admission":
        """The rules by which that lane accepts a message, by its policy. Raises ConfigError."""
        return self.admissions()(key)

    def admissions(self) -> "Callable[[str], Admission]":
        """``admission`` as a function for use inside a transaction: the configuration is loaded before. Raises
        ConfigError."""
        from lanes_storage.records import Admission

        config = self.configured()
        return lambda key: Admission() if config is None else config.policy(key).admission
