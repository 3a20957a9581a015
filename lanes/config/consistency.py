"""Checks that the clocks are consistent for every lane, whatever policies match its key."""

from itertools import combinations

from lanes.config.config import Config
from lanes.config.globs import common_key
from lanes.config.reading import limits
from lanes_storage.law import RunnerKind


def check(config: Config) -> None:
    """Refuse clocks that contradict each other, in the sections or through policies. Raises ConfigError.

    Two policies contradict only if a key exists that both match; the error names such a key.
    """
    if contradiction := limits.contradiction(config.explicit_clocks(()), config.timeouts("")):
        raise contradiction.refusal()
    places = range(len(config.policies))
    for together in [*((i,) for i in places), *combinations(places, 2)]:
        if _contradiction(config, together) is None:
            continue
        globs = [config.policies[i].match for i in together]
        key = common_key(globs[0], globs[-1])
        # Policies before these may match that key too, and take precedence.
        if key is not None and (contradiction := _contradiction(config, config.matching(key))):
            raise contradiction.refusal(f' for keys such as "{key}"')


def _contradiction(config: Config, matching: tuple[int, ...]) -> limits.Contradiction | None:
    runner = config.runner(config.runner_of(matching))
    asks_providers = runner is not None and runner.kind is RunnerKind.PROVIDER
    timeouts = config.timeouts(runner.name) if runner and asks_providers else []
    return limits.contradiction(config.explicit_clocks(matching), timeouts)
