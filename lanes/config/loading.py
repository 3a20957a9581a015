"""Making a configuration: from a file, from data, or for the simulated provider."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lanes.base.addresses import is_host
from lanes.base.errors import ConfigError
from lanes.config import consistency
from lanes.config.config import Config
from lanes.config.declared import places
from lanes.config.declared.model import DatabaseConfig, GatewayConfig, HooksConfig
from lanes.config.declared.refusal import shown
from lanes.config.declared.setting import ARRAYS
from lanes.config.declared.settings import settings_of
from lanes.config.declared.values import Origin, Value
from lanes.config.reading import arrays, limits, sections, sources, watches
from lanes.config.reading.document import Document, find, read
from lanes.config.reading.secrets import SecretReader
from lanes.config.reading.sections import ArrayElement, filled


def load(
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration of this process: flag over environment over file over default.

    The file is ``path``, else the one that ``LANES_CONFIG`` names, else ``lanes.toml`` in ``cwd``, else that of
    the user's configuration directory, else none. ``flags`` are values by key, as they would stand in the file:
    ``{"gateway.port": 9000}``; None counts as not given. Raises ConfigError, which names file, line, key and the fix.
    """
    env, cwd = _surroundings(env, cwd)
    found = find(path, env, cwd)
    if found is None:
        return _from_document(Document({}, cwd), env, flags or {}, cwd)
    named = path is not None or bool(env.get("LANES_CONFIG"))
    here = not named and found.parent == cwd
    return _from_document(read(found, named=named, found_here=here), env, flags or {}, cwd)


def from_data(
    data: Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration from a mapping in the form of the file, for a program that keeps its settings elsewhere.

    ``env`` (default: the environment of this process) holds the variables ``LANES_…``, which override ``data`` as they
    override a file. Raises ConfigError, which names the key and the fix.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"configuration: it must be a mapping of sections, not {type(data).__name__}")
    env, cwd = _surroundings(env, cwd)
    return _from_document(Document(data, cwd), env, flags or {}, cwd)


def simulated(
    base_url: str,
    *,
    over: Config | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """A configuration whose only runner, ``chat``, asks the simulated provider at ``base_url`` (``…/v1``).

    It has two providers, ``sim`` and ``sim-backup``, to show failover. Everything else is taken from ``over``, else
    from environment and flags; policies lose the runner that they name.
    """
    provider = {"base_url": base_url, "model": "sim-ok"}
    data = {
        "runner": [{"name": "chat", "kind": "provider", "providers": ["sim", "sim-backup"]}],
        "provider": [{"name": "sim", **provider}, {"name": "sim-backup", **provider}],
    }
    env, cwd = _surroundings(env, None)
    doc = Document(data, cwd)
    values = over.values if over else sections.tables(Document({}, cwd), env, flags or {}, cwd)
    rows = [row for array in ("runner", "provider") for row in sections.rows(doc, array, Origin.DEFAULT)]
    for row in over.rows if over else ():
        if row.array == "watch":
            rows.append(row)
        if row.array == "policy":
            kept = {name: value for name, value in row.values.items() if name != "runner"}
            rows.append(row._replace(values=kept))
    config = _assembled(over.source if over else None, values, rows, env)
    return replace(config, content=over.content, found_here=over.found_here) if over else config


def _surroundings(env: Mapping[str, str] | None, cwd: Path | None) -> tuple[Mapping[str, str], Path]:
    env = os.environ if env is None else env
    return env, (cwd or places.current_dir(env=env)).absolute()


def _from_document(doc: Document, env: Mapping[str, str], flags: Mapping[str, Any], cwd: Path) -> Config:
    sections.check_names(doc)
    values = sections.tables(doc, env, flags, cwd)
    rows = [row for array in ARRAYS for row in sections.rows(doc, array)]
    return replace(_assembled(doc.path, values, rows, env), content=doc.content, found_here=doc.found_here)


def _assembled(
    source: Path | None, values: Mapping[str, Value], rows: list[ArrayElement], env: Mapping[str, str]
) -> Config:
    of = {array: [row for row in rows if row.array == array] for array in ARRAYS}
    secrets = SecretReader(env)
    token = secrets.find(values, "gateway.token")
    providers = arrays.providers(of["provider"], secrets)
    runners = arrays.runners(of["runner"], providers)
    sources.check_naming(values["gateway.session_from"])
    _check_hosts(values["gateway.host"], [values["gateway.host"].value])
    _check_hosts(values["gateway.allowed_hosts"], values["gateway.allowed_hosts"].value)
    config = Config(
        source=source,
        sources=sources.sources(of["source"], providers, runners, token.value, secrets),
        watches=watches.watches(of["watch"], env),
        alerts=arrays.alerts(of["alert"], secrets),
        database=filled(DatabaseConfig, _of(values, "database")),
        gateway=filled(GatewayConfig, _of(values, "gateway"), token=token.value, token_name=token.name),
        hooks=_hooks(_of(values, "hooks")),
        runners=runners,
        providers=providers,
        policies=arrays.policies(of["policy"], runners),
        values=values,
        rows=tuple(rows),
        problems=tuple(secrets.problems),
    )
    consistency.check(config)
    stall_ms = config.clocks.stall_timeout_ms
    fitted = {name: limits.fitted(provider, stall_ms) for name, provider in providers.items()}
    return replace(config, providers=fitted)


def _check_hosts(setting: Value, hosts: Iterable[str]) -> None:
    for host in hosts:
        if not is_host(host):
            fix = "write its name or its address alone, such as lanes.example, 127.0.0.1 or ::1"
            raise setting.refused(f"{shown(host)} is not a host", fix)


def _of(values: Mapping[str, Value], section: str) -> dict[str, Value]:
    """The settings of a section, by name."""
    return {name: values[f"{section}.{name}"] for name in settings_of(section)}


def _hooks(settings: Mapping[str, Value]) -> HooksConfig:
    for name in ("before_run", "after_run", "notice"):
        arrays.check_target(settings[name])
    return filled(HooksConfig, settings)
