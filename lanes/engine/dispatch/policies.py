"""The policies of lanes, as the dispatcher reads them from the configuration."""

from typing import Protocol

from lanes.runners.base import RunnerSpec
from lanes_storage.records import BudgetTerms, Head, RetryTerms, Terms


class Policies(Protocol):
    """The per-lane part of the configuration. Methods that a subclass does not override behave as without a policy."""

    def runner_of(self, key: str) -> str | None:
        """The name of the runner of a lane, or None for the default runner."""
        del key
        return None

    def collects(self, key: str) -> int | None:
        """How many milliseconds without a new text before the texts of a lane are answered together; None: one by
        one."""
        del key
        return None

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        """The limits and policies for a run of this head by that runner."""
        ...

    @property
    def prioritized(self) -> bool:
        """Whether some lanes are run before others."""
        return False

    def priority(self, key: str) -> int:
        """The priority of a lane; lanes with a higher one are run before all others."""
        del key
        return 0

    def budgets(self, key: str) -> tuple[BudgetTerms, ...]:
        """The budgets of a lane."""
        del key
        return ()

    def retry(self, key: str) -> RetryTerms | None:
        """How the messages of a lane are retried automatically; None: not at all."""
        del key
        return None
