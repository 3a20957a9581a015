"""The context of every operation: the actor, the time and the configuration. It knows no store.

It is the only place that holds policies: the command line, HTTP, the dashboard and Python ask it how a lane accepts a
message (``mode``, ``cap``, ``overflow``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lanes import incoming
from lanes_storage.moment import Clock, Now, system_clock
from lanes_storage.records import Admission

if TYPE_CHECKING:
    from lanes.config import Config  # a fast command without a configuration does not import it


def unconfigured() -> "Config | None":
    """No configuration: all defaults."""
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """``actor`` is the name for the journal. ``configured`` is called only when a setting is needed.

    Raises Unfit if the actor is not a valid name.
    """

    actor: str
    clock: Clock = system_clock
    configured: Callable[[], "Config | None"] = unconfigured

    def __post_init__(self) -> None:
        incoming.actor(self.actor)

    def now(self) -> Now:
        """The present time."""
        return self.clock()

    def admission(self, key: str) -> Admission:
        """The rules by which that lane accepts a message, by its policy. Raises ConfigError."""
        return self.admissions()(key)

    def admissions(self) -> Callable[[str], Admission]:
        """A function with the same for any lane, for use inside a transaction: the configuration is loaded before.
        Raises ConfigError."""
        config = self.configured()
        return lambda key: Admission() if config is None else Admission(**config.policy(key).intake)
