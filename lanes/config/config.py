"""The configuration as a whole: the settings of the process, and those that apply to one lane."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from lanes.base.addresses import is_loopback_host
from lanes.base.errors import ConfigError
from lanes.config import listing
from lanes.config.declared.model import (
    PROGRAMS,
    AlertConfig,
    Clocks,
    DatabaseConfig,
    GatewayConfig,
    HooksConfig,
    Policy,
    PolicyConfig,
    ProviderConfig,
    RunnerConfig,
    SourceConfig,
    WatchConfig,
)
from lanes.config.declared.settings import settings_of
from lanes.config.declared.values import Origin, Value
from lanes.config.reading import limits
from lanes.config.reading.sections import ArrayElement, filled
from lanes.records import SettingValue
from lanes.text.hosted import lets_act
from lanes_storage.law import PASSING, Mode, OnInterrupt, OnSurvivors, Overflow, PermittedBy, RunnerKind
from lanes_storage.records import BudgetTerms, RetryTerms, Terms

T = TypeVar("T")
About = TypeVarTuple("About")

#: How the names of settings end that name a file with a secret.
_SECRET_FILES = ("token_file", "api_key_file", "url_file")


def _once(make: Callable[["Config", *About], T]) -> Callable[["Config", *About], T]:
    """Cache the results of a method in its configuration: every message and claim calls it, with few arguments."""
    name = make.__name__

    def known(config: "Config", *about: *About) -> T:
        place = (name, *about)
        if place not in config._known:
            config._known[place] = make(config, *about)
        found: T = config._known[place]
        return found

    return known


@dataclass(frozen=True, eq=False)
class Config:
    """Every setting: explicit, derived or default. Made by ``load``, ``simulated``, ``from_data``.

    ``values`` holds the settings of the plain sections by key (``clocks.run_timeout``), ``rows`` those of the arrays,
    each with its origin. ``problems`` has an error for each named secret that is missing, except tokens of watched
    gateways, which only pairing needs. ``found_here``: the file, with this ``content``, was not named but found in the
    current folder.
    """

    source: Path | None
    database: DatabaseConfig
    gateway: GatewayConfig
    hooks: HooksConfig
    runners: tuple[RunnerConfig, ...]
    providers: dict[str, ProviderConfig]
    policies: tuple[PolicyConfig, ...]
    values: Mapping[str, Value]
    watches: tuple[WatchConfig, ...] = ()
    rows: tuple[ArrayElement, ...] = ()
    alerts: tuple[AlertConfig, ...] = ()
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    problems: tuple[ConfigError, ...] = ()
    content: bytes = field(default=b"", repr=False)
    found_here: bool = False
    _known: dict[tuple[object, ...], Any] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits, equal for gateways that treat lanes alike: the sections gateway, database, hooks, watch
        and alert, and secrets, do not count."""
        import json
        from hashlib import sha256

        excluded = ("gateway.", "database.", "hooks.", "watch.", "alert.")
        settings = [(s.name, s.value) for s in self.settings() if not s.name.startswith(excluded)]
        return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def clocks(self) -> Clocks:
        """The clocks of the process; the two limits of runs are those of provider runs without a policy."""
        return filled(Clocks, self._resolved((), RunnerKind.PROVIDER, ""))

    def runner(self, name: str) -> RunnerConfig | None:
        """The runner of that name, or None."""
        return next((runner for runner in self.runners if runner.name == name), None)

    def policy(self, key: str) -> Policy:
        """The policy of that lane: each setting is taken from the first matching ``[[policy]]`` that has it, else from
        its section."""
        return self._policy(self.matching(key))

    @_once
    def _policy(self, matching: tuple[int, ...]) -> Policy:
        queue = {name: self._of(f"queue.{name}", matching) for name in settings_of("queue")}
        return filled(
            Policy,
            queue,
            runner=self.runner_of(matching),
            mode=Mode(queue["mode"].value),
            overflow=Overflow(queue["overflow"].value),
            permissions=PermittedBy(queue["permissions"].value),
        )

    def concurrency(self, key: str, source: SourceConfig) -> int:
        """How many requests of one session of that source run at once."""
        value = self._of("queue.concurrency", self.matching(key))
        return int(value.value) if value.explicit else source.concurrency

    def clocks_for(self, key: str, kind: RunnerKind) -> Clocks:
        """The clocks of a run of that kind on that lane."""
        return self._clocks(self.matching(key), kind, None)

    @_once
    def _clocks(self, matching: tuple[int, ...], kind: RunnerKind, runner: str | None) -> Clocks:
        return filled(Clocks, self._resolved(matching, kind, runner or self.runner_of(matching)))

    def terms(self, key: str, kind: RunnerKind, *, runner: str | None = None, acts: bool = False) -> Terms:
        """The limits and policies under which a run of that kind is claimed on that lane.

        ``acts``: its request lets its provider act, so it is not repeated when interrupted, unless ``on_interrupt`` is
        set.
        """
        matching = self.matching(key)
        return self._terms(matching, kind, runner or self.runner_of(matching), acts)

    @_once
    def _terms(self, matching: tuple[int, ...], kind: RunnerKind, runner: str, acts: bool) -> Terms:
        clocks = self._clocks(matching, kind, runner)
        on_interrupt = self._of("queue.on_interrupt", matching).value
        on_survivors = self._of("queue.on_survivors", matching).value
        if runner in self.sources:
            on_interrupt = OnInterrupt.FAIL  # its content is not stored, so it cannot be sent again
        elif on_interrupt is None:
            repeatable = kind is RunnerKind.PROVIDER and not acts and not self._lets_act(runner)
            on_interrupt = OnInterrupt.REQUEUE if repeatable else OnInterrupt.FAIL
        configured = self.runner(runner)
        starts = kind in PROGRAMS or (configured is not None and configured.isolated is not None)
        if on_survivors is None or not starts:  # only a run that starts processes can leave any behind
            on_survivors = OnSurvivors.PAUSE if starts else OnSurvivors.START
        limits_ms = {name: getattr(clocks, name) for name in Terms._fields if name.endswith("_ms")}
        return Terms(**limits_ms, on_interrupt=OnInterrupt(on_interrupt), on_survivors=OnSurvivors(on_survivors))

    def _lets_act(self, runner: str) -> bool:
        """Whether a provider of that runner is configured to act, whatever the request."""
        configured = self.runner(runner)
        chain = configured.providers if configured is not None else ()
        return any(lets_act(self.providers[name].extra_body) for name in chain if name in self.providers)

    def retry(self, key: str) -> RetryTerms | None:
        """How failed messages of that lane are retried automatically; None: not at all."""
        return self._retry(self.matching(key))

    @_once
    def _retry(self, matching: tuple[int, ...]) -> RetryTerms | None:
        retry = self._of("queue.retry", matching).value
        if retry is None:
            return None
        causes = PASSING if retry["causes"] is None else frozenset(retry["causes"])
        hold = self._of("queue.hold_while_retrying", matching).value
        return RetryTerms(retry["attempts"], retry["backoff"], causes, retry["max_age"], hold)

    def budgets(self, key: str) -> tuple[BudgetTerms, ...]:
        """The budgets of that lane: its own, and the one that it shares with others."""
        return self._budgets(self.matching(key))

    @_once
    def _budgets(self, matching: tuple[int, ...]) -> tuple[BudgetTerms, ...]:
        by_policy = (self.policies[i].match for i in matching if "budget" in self.policies[i].values)
        names = {"lane_budget": "", "budget": next((f'policy "{match}"' for match in by_policy), "the queue")}
        budgets = [(name, self._of(f"queue.{setting}", matching).value) for setting, name in names.items()]
        return tuple(_budget(name, budget) for name, budget in budgets if budget is not None)

    @cached_property
    def prioritized(self) -> bool:
        """Whether a priority is set anywhere, so that some lanes may go before others."""
        return self.values["queue.priority"].explicit or any("priority" in each.values for each in self.policies)

    def provider(self, name: str, key: str | None = None, *, runner: str | None = None) -> ProviderConfig:
        """A provider, with the timeouts that nobody set fitted below the stall timeout of the lane. Raises KeyError."""
        return self._provider(name, None if key is None else self.matching(key), runner)

    @_once
    def _provider(self, name: str, matching: tuple[int, ...] | None, runner: str | None) -> ProviderConfig:
        clocks = self.clocks if matching is None else self._clocks(matching, RunnerKind.PROVIDER, runner)
        return limits.fitted(self.providers[name], clocks.stall_timeout_ms)

    def settings(self) -> list[SettingValue]:
        """Every effective setting with its origin, in the order of the file. No secrets."""
        resolved = self._resolved((), RunnerKind.PROVIDER, "")
        clocks = {f"clocks.{name}": value for name, value in resolved.items()}
        stall_ms = self.clocks.stall_timeout_ms
        return listing.sections({**self.values, **clocks}) + listing.arrays(self.rows, stall_ms)

    def every_value(self) -> Iterator[tuple[str, Value]]:
        """The values of all settings, each with the key of its setting (``runner.argv``)."""
        yield from self.values.items()
        for row in self.rows:
            yield from ((f"{row.array}.{name}", value) for name, value in row.values.items())

    @cached_property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that hold secrets of lanes itself: its tokens, keys of providers, webhooks."""
        named = (str(value.value) for key, value in self.every_value() if key.endswith("_env") and value.value)
        return frozenset({"LANES_TOKEN", *named})

    @cached_property
    def secret_files(self) -> tuple[Path, ...]:
        """The files that hold such secrets."""
        named = (value.value for key, value in self.every_value() if key.endswith(_SECRET_FILES) and value.value)
        return tuple(dict.fromkeys(map(Path, named)))

    def check_gateway(self) -> None:
        """Raise the first of ``refusals``, if there is one."""
        for refused in self.refusals():
            raise refused

    def refusals(self) -> Iterator[ConfigError]:
        """The faults that only a gateway must refuse: named secrets that are missing, an address beyond loopback
        without a token."""
        yield from self.problems
        host = self.values["gateway.host"]
        if self.gateway.token is None and not is_loopback_host(self.gateway.host):
            fix = "set LANES_TOKEN, token_env or token_file, or listen on 127.0.0.1"
            yield host.refused(f"listening on {host.value} needs a token", fix)

    @lru_cache(maxsize=1024)  # noqa: B019 - a cache outside the configuration, which stays picklable
    def matching(self, key: str) -> tuple[int, ...]:
        """The policies whose glob matches, as indexes of ``policies``. Cached: a claim asks several times."""
        return tuple(i for i, policy in enumerate(self.policies) if policy.pattern.match(key))

    def explicit_clocks(self, matching: Iterable[int]) -> dict[str, Value]:
        """The clocks that someone set, by name, for lanes that these policies match."""
        matching = tuple(matching)
        values = {name: self._of(f"clocks.{name}", matching) for name in settings_of("clocks")}
        return {name: value for name, value in values.items() if value.explicit}

    def timeouts(self, runner: str) -> list[Value]:
        """The explicit timeouts of the runner's providers; of all providers if it names none."""
        chosen = self.runner(runner)
        names = chosen.providers if chosen and chosen.providers else tuple(self.providers)
        labels = {f"provider.{name}" for name in names}
        rows = [row for row in self.rows if row.label in labels]
        return [v for row in rows for n, v in row.values.items() if n in limits.TIMEOUTS and v.explicit]

    def runner_of(self, matching: Iterable[int]) -> str:
        """The runner of lanes that these policies match; empty where no runner is configured."""
        found = (self.policies[i].values["runner"].value for i in matching if "runner" in self.policies[i].values)
        return next(found, self.runners[0].name if self.runners else "")

    def _of(self, setting: str, matching: Iterable[int]) -> Value:
        name = setting.partition(".")[2]
        found = (self.policies[i].values[name] for i in matching if name in self.policies[i].values)
        return next(found, self.values[setting])

    def _resolved(self, matching: tuple[int, ...], kind: RunnerKind, runner: str) -> dict[str, Value]:
        if runner in self.sources:
            return self._resolved_of_source(matching, runner)
        return limits.resolve(self.explicit_clocks(matching), kind, self.timeouts(runner))

    def _resolved_of_source(self, matching: tuple[int, ...], name: str) -> dict[str, Value]:
        """The clocks of a source: limits of a policy come before its own, and those before the sections'."""
        of_source = self.sources[name].limits
        by_policy = {
            name: value
            for name in of_source
            if (value := self._of(f"clocks.{name}", matching)).explicit and value is not self.values[f"clocks.{name}"]
        }
        clocks = limits.resolve({**self.explicit_clocks(matching), **of_source, **by_policy}, RunnerKind.PROVIDER, ())
        run, stall = clocks["run_timeout"], clocks["stall_timeout"]
        if None not in (run.value, stall.value) and stall.value > run.value:
            clocks["stall_timeout"] = stall._replace(value=run.value, origin=Origin.DERIVED)
        return clocks


def _budget(name: str, budget: Mapping[str, Any]) -> BudgetTerms:
    cost = None if budget["cost"] is None else round(budget["cost"] * 1_000_000)
    return BudgetTerms(name, budget["per"], budget["runs"], budget["tokens"], cost, budget["action"] == "reject")
