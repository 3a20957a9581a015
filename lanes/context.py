"""What every operation is handed: who asks, what time it is, and what is configured. It knows no store.

Nothing else holds a policy: how a lane takes a message (``mode``, ``cap``, ``overflow``) is asked here, by every
surface.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lanes import incoming
from lanes_storage.moment import Clock, Now, system_clock
from lanes_storage.records import Admission

if TYPE_CHECKING:
    from lanes.config import Config  # a quick command without a configuration does not import it


def unconfigured() -> "Config | None":
    """No configuration: everything has its default."""
    return None


@dataclass(frozen=True, slots=True)
class Context:
    """``actor`` is who asks, as the journal shows it. ``configured`` is called only where a setting is needed.

    Raises Unfit where the actor is no name.
    """

    actor: str
    clock: Clock = system_clock
    configured: Callable[[], "Config | None"] = unconfigured

    def __post_init__(self) -> None:
        incoming.actor(self.actor)

    def now(self) -> Now:
        """What time it is."""
        return self.clock()

    def admission(self, key: str) -> Admission:
        """How the policy of that lane takes a message. Raises ConfigError."""
        return self.admissions()(key)

    def admissions(self) -> Callable[[str], Admission]:
        """The same for any lane, for use within a transaction: what there is to load is loaded. Raises ConfigError."""
        config = self.configured()
        return lambda key: Admission() if config is None else Admission(**config.policy(key).intake)
