"""The rules between limits: which values contradict, and which are adjusted.

    heartbeat_interval ≤ stale_after / 3      stall_timeout ≤ run_timeout      provider timeouts < stall_timeout

Only configured values can contradict. A default is adjusted to the nearest valid value: down to the largest below its
bound, or up. A limit that is ``off`` does not restrict others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from lanes.base import durations
from lanes.base.errors import ConfigError
from lanes.config.declared.model import PROGRAMS, ProviderConfig
from lanes.config.declared.refusal import refusal
from lanes.config.declared.settings import settings_of
from lanes.config.declared.values import OFF, Origin, Value, default_of
from lanes_storage.law import RunnerKind

#: How many heartbeat intervals must fit into ``stale_after``.
BEATS_PER_STALE = 3
TIMEOUTS = ("connect_timeout", "first_byte_timeout", "idle_timeout")

_PROGRAM_DEFAULTS = {"run_timeout": 60 * 60_000, "stall_timeout": 15 * 60_000}

Values = Mapping[str, Value]


class Contradiction(NamedTuple):
    """Two configured values that contradict each other."""

    one: Value
    other: Value
    rule: str

    def refusal(self, about: str = "") -> ConfigError:
        """The error that names both values; ``about`` names the keys that they apply to."""
        place = f" ({self.other.where})" if self.other.where else ""
        problem = f"contradicts {_setting_text(self.other)}{place}{about}: {self.rule}"
        fix = "change one of the two, or leave one out to have it derived"
        return refusal(self.one.where, _setting_text(self.one), problem, fix)


def contradiction(explicit: Values, timeouts: Iterable[Value]) -> Contradiction | None:
    """The first contradiction among explicit clocks, by name, and explicit timeouts of providers."""
    beat, stale = explicit.get("heartbeat_interval"), explicit.get("stale_after")
    if beat and stale and beat.value * BEATS_PER_STALE > stale.value:
        return Contradiction(beat, stale, "heartbeat_interval is at most a third of stale_after")
    run, stall = explicit.get("run_timeout"), explicit.get("stall_timeout")
    if run and stall and None not in (run.value, stall.value) and stall.value > run.value:
        return Contradiction(stall, run, "stall_timeout is at most run_timeout")
    # A stall_timeout that is not set must still fit between a provider's timeout and run_timeout.
    bound = stall or run
    for timeout in timeouts:
        if bound and bound.value is not None and timeout.value >= bound.value:
            return Contradiction(timeout, bound, f"{_name(timeout)} is below {_name(bound)}")
    return None


def resolve(explicit: Values, kind: RunnerKind, timeouts: Iterable[Value]) -> dict[str, Value]:
    """Every clock for runs of that kind, by name: as given, by default, or derived from what is given."""
    clocks = {name: explicit.get(name) or default_of(setting) for name, setting in settings_of("clocks").items()}
    if kind in PROGRAMS:
        for name, ms in _PROGRAM_DEFAULTS.items():
            if name not in explicit:
                clocks[name] = clocks[name]._replace(value=ms)
    _fit_heartbeat(clocks)
    floor = max((timeout.value for timeout in timeouts), default=0) if kind is RunnerKind.PROVIDER else 0
    _fit_stall(clocks, floor)
    _fit_memory(clocks)
    return clocks


def timeout_below(name: str, stall_ms: int | None) -> int:
    """The value of a provider timeout that nobody set: its default, reduced below a stall timeout (None: off).

    The margin is a tenth of the stall timeout, at most a second: failover has to begin before the watchdog acts.
    """
    default: int = default_of(settings_of("provider")[name]).value
    return default if stall_ms is None else min(default, max(1, stall_ms - _margin(stall_ms)))


def fitted(provider: ProviderConfig, stall_ms: int | None) -> ProviderConfig:
    """A provider with the timeouts that nobody set reduced below a stall timeout (None: off)."""
    free = (name for name in TIMEOUTS if name not in provider.fixed)
    fit: dict[str, Any] = {f"{name}_ms": timeout_below(name, stall_ms) for name in free}
    return replace(provider, **fit)


def _fit_heartbeat(clocks: dict[str, Value]) -> None:
    beat, stale = clocks["heartbeat_interval"], clocks["stale_after"]
    if beat.value * BEATS_PER_STALE <= stale.value:
        return
    if not beat.explicit:
        clocks["heartbeat_interval"] = _derived(beat, stale.value // BEATS_PER_STALE)
    else:
        clocks["stale_after"] = _derived(stale, beat.value * BEATS_PER_STALE)


def _fit_stall(clocks: dict[str, Value], floor: int) -> None:
    """Bring stall_timeout between the longest provider timeout that someone set and run_timeout."""
    run, stall = clocks["run_timeout"], clocks["stall_timeout"]
    if not stall.explicit and stall.value <= floor:
        room = run.value is not None and run.value > floor
        stall = _derived(stall, run.value if room else floor + _margin(floor))
    if None not in (run.value, stall.value) and stall.value > run.value:
        if not stall.explicit and (run.explicit or run.value > floor):
            stall = _derived(stall, run.value)
        elif not run.explicit:
            run = _derived(run, stall.value)
    clocks["run_timeout"], clocks["stall_timeout"] = run, stall


def _fit_memory(clocks: dict[str, Value]) -> None:
    """Let an explicit ``keep_messages`` also limit ``keep_conversations``, which would keep the same texts."""
    kept, messages = clocks["keep_conversations"], clocks["keep_messages"]
    if messages.explicit and not kept.explicit:
        clocks["keep_conversations"] = _derived(kept, messages.value)


def _margin(ms: int) -> int:
    return max(1, min(1_000, ms // 10))


def _derived(value: Value, ms: int) -> Value:
    return value if value.value == ms else value._replace(value=ms, origin=Origin.DERIVED)


def _name(value: Value) -> str:
    return value.key.rpartition(".")[2]


def _setting_text(value: Value) -> str:
    return f"{value.key} = {OFF if value.value is None else durations.show(value.value)}"
