"""How long finished rows are kept, by the configuration."""

from lanes.config import Config
from lanes.config.declared.model import Clocks
from lanes_storage.law import RunnerKind


class ConfiguredKeep:
    """Implements ``Keep``: by the policy of a key, and by the sections for rows that belong to no lane."""

    def __init__(self, config: Config) -> None:
        self._config = config
        names = ("keep_messages", "keep_events", "keep_conversations")
        given = [policy.values[name].value for policy in config.policies for name in names if name in policy.values]
        self.least_ms: int = min(*(getattr(config.clocks, f"{name}_ms") for name in names), *given)

    def messages_ms(self, key: str | None) -> int:
        return self._clocks(key).keep_messages_ms

    def events_ms(self, key: str | None) -> int:
        return self._clocks(key).keep_events_ms

    def conversations_ms(self, key: str | None) -> int:
        return self._clocks(key).keep_conversations_ms

    def _clocks(self, key: str | None) -> Clocks:
        return self._config.clocks if key is None else self._config.clocks_for(key, RunnerKind.PROVIDER)
