"""Reads the arrays of tables: providers, runners, alerts and policies, and checks their references to each other."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lanes.base.addresses import is_http
from lanes.base.terminal import without_password
from lanes.config.declared.model import PROGRAMS, AlertConfig, PolicyConfig, Price, ProviderConfig, RunnerConfig
from lanes.config.declared.refusal import shown
from lanes.config.declared.settings import settings_of
from lanes.config.declared.values import Value
from lanes.config.reading import commands, limits, reaching
from lanes.config.reading.secrets import SecretReader
from lanes.config.reading.sections import ArrayElement, check_unique, filled
from lanes_storage.globs import as_pattern
from lanes_storage.law import RunnerKind

#: In requests this name means the runner of the policy, so no runner can have it.
RESERVED = "lanes"
#: As the model of a provider that only sources ask: each request names its own model.
CLIENTS_MODEL = "*"

_MAX_RUNS = {RunnerKind.PROVIDER: 1000, RunnerKind.COMMAND: 16, RunnerKind.PYTHON: 16, RunnerKind.ACP: 16}
_NEEDED = {
    RunnerKind.PROVIDER: "providers",
    RunnerKind.PYTHON: "target",
    RunnerKind.COMMAND: "argv",
    RunnerKind.ACP: "argv",
}
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


def providers(rows: Iterable[ArrayElement], secrets: SecretReader) -> dict[str, ProviderConfig]:
    """The providers by name. Raises ConfigError."""
    built: dict[str, ProviderConfig] = {}
    for row in rows:
        check_unique(row, built)
        _check_url(row)
        reaching.check(row)
        key = secrets.find(row.values, "api_key")
        _check_clients_key(row)
        built[row.get("name")] = filled(
            ProviderConfig,
            row.values,
            base_url=row.get("base_url").rstrip("/"),
            api_key=key.value,
            headers=row.get("headers") or {},
            query=row.get("query") or {},
            extra_body=row.get("extra_body") or {},
            price=_price(row.get("price")),
            fixed=frozenset(name for name in limits.TIMEOUTS if row.values[name].explicit),
            clients_key=row.get("api_key") is not None,
            key_setting="api_key_env" if row.get("api_key_file") is None else "api_key_file",
            where=Path(row.where).name,
        )
    return built


def _price(prices: Mapping[str, float | None] | None) -> Price | None:
    if prices is None:
        return None
    of_input, of_output = prices["input"] or 0, prices["output"] or 0
    return Price(of_input, of_output, of_input if prices["cached"] is None else prices["cached"])


def runners(rows: Iterable[ArrayElement], known: Mapping[str, ProviderConfig]) -> tuple[RunnerConfig, ...]:
    """The runners, the default one first. Raises ConfigError."""
    built: dict[str, RunnerConfig] = {}
    for row in rows:
        check_unique(row, built)
        if row.get("name") == RESERVED:
            raise row.values["name"].refused(f"{shown(RESERVED)} means the runner of the policy", "choose another name")
        kind = RunnerKind(row.get("kind"))
        _check_kind(row, kind)
        _check_providers(row, known)
        commands.check_variables(row)
        if row.get("max_runs") is None:
            row.values["max_runs"] = row.values["max_runs"]._replace(value=_MAX_RUNS[kind])
        built[row.get("name")] = filled(
            RunnerConfig,
            row.values,
            kind=kind,
            providers=row.get("providers") or (),
            command=commands.command_of(row) if kind in PROGRAMS else None,
            isolated=commands.isolation_of(row) if kind is RunnerKind.PYTHON else None,
        )
    return tuple(built.values())


def alerts(rows: Iterable[ArrayElement], secrets: SecretReader) -> tuple[AlertConfig, ...]:
    """The alerts. Raises ConfigError."""
    built: dict[str, AlertConfig] = {}
    for row in rows:
        check_unique(row, built)
        url = secrets.find(row.values, "url")
        hooked = row.values["url_env"].explicit or row.values["url_file"].explicit
        if hooked == bool(row.get("command")):
            raise row.refused("it needs exactly one target", "add url_env, url_file or command")
        if url.value is not None and not url.value.startswith(("http://", "https://")):  # not shown: it is a secret
            raise row.refused(f"{url.name} holds no address", "it begins with https://")
        glob = row.get("match")
        built[row.get("name")] = filled(
            AlertConfig,
            row.values,
            on=frozenset(row.get("on") or settings_of("alert")["on"].choices),
            url=url.value,
            form=row.get("format"),
            glob=glob,
        )
    return tuple(built.values())


def policies(rows: Iterable[ArrayElement], known: Iterable[RunnerConfig]) -> tuple[PolicyConfig, ...]:
    """The policies in their order. Raises ConfigError."""
    names = [runner.name for runner in known]
    built = []
    for row in rows:
        runner = row.values.get("runner")
        if runner and names and runner.value not in names:  # without any, an embedding program passes them in
            raise runner.unknown(runner.value, names)
        glob = row.get("match")
        built.append(PolicyConfig(glob, as_pattern(glob), {n: v for n, v in row.values.items() if n != "match"}))
    return tuple(built)


def _check_kind(row: ArrayElement, kind: RunnerKind) -> None:
    for name, setting in settings_of("runner").items():
        value = row.values[name]
        if not setting.runner_kinds or kind in setting.runner_kinds:
            continue
        if value.explicit:
            fix = f"leave it out, or make the kind {' or '.join(setting.runner_kinds)}"
            raise value.refused(f"this setting cannot be used with kind {kind}", fix)
    needed = _NEEDED[kind]
    if not row.get(needed):
        raise row.refused(f"kind {kind} needs {needed}", f"add {needed}: {settings_of('runner')[needed].meaning}")
    check_target(row.values["target"])


def _check_providers(row: ArrayElement, known: Mapping[str, ProviderConfig]) -> None:
    named = row.values["providers"]
    for name in named.value or ():
        if name not in known:
            raise named.unknown(name, known, "add a [[provider]] of that name")
        if known[name].clients_key:  # the messages of a runner bring no key of a client
            raise named.refused(f"{shown(name)} is asked with the keys of its clients", "only a [[source]] may name it")
        if known[name].model == CLIENTS_MODEL:
            raise named.refused(f"{shown(name)} has no model", f"set model in its [[provider]]; {named.key} needs it")


def _check_clients_key(row: ArrayElement) -> None:
    theirs = row.values["api_key"]
    for name in ("api_key_env", "api_key_file", "api_key_header"):
        if theirs.value is not None and row.values[name].explicit:
            problem = f"contradicts {row.values[name].key} ({row.values[name].where})"
            raise theirs.refused(problem, "keep one of the two")


def _check_url(row: ArrayElement) -> None:
    url = row.values["base_url"]
    if "@" in url.value or without_password(url.value) != url.value:
        fix = "take the password or key out and use api_key_env or api_key_file"
        raise url.refused("secrets are named, never written", fix)
    if not (_URL.fullmatch(url.value) and is_http(url.value)):  # not shown: whatever is wrong with it may be a secret
        raise url.refused("it is not a base URL", "write, say, https://host/v1")


def check_target(target: Value) -> None:
    """Refuse a target that names no function. Raises ConfigError."""
    if target.value is not None and not _TARGET.fullmatch(target.value):
        raise target.refused(f"{shown(target.value)} is not a target", "write module:function")
