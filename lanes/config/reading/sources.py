"""Reads the sources: programs whose requests are passed on unchanged."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from lanes.config.declared.model import ProviderConfig, RunnerConfig, SourceConfig
from lanes.config.declared.presets import (
    FIELDS,
    LOCAL_SILENCE_MS,
    PRESETS,
    RUN_TIMEOUT_MS,
    RUNTIME,
    STALL_MARGIN_MS,
    naming_fault,
)
from lanes.config.declared.refusal import shown
from lanes.config.declared.values import Value
from lanes.config.reading.secrets import SecretReader
from lanes.config.reading.sections import ArrayElement, check_unique, filled

#: A source's name is part of a URL and begins the keys of its lanes, so only plain characters are allowed.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,256}")


def sources(
    rows: Iterable[ArrayElement],
    providers: Mapping[str, ProviderConfig],
    runners: Iterable[RunnerConfig],
    gateway_token: str | None,
    secrets: SecretReader,
) -> dict[str, SourceConfig]:
    """The sources by name. Raises ConfigError."""
    built: dict[str, SourceConfig] = {}
    taken, tokens = {runner.name for runner in runners}, {gateway_token}
    for row in rows:
        _check_name(row.values["name"])
        check_unique(row, {*taken, *built})
        provider, token = _provider(row, providers), _token(row, secrets)
        if token is not None and token in tokens:
            raise row.refused("its token is used elsewhere", "give each source its own")
        tokens.add(token)
        built[row.get("name")] = _source(row, provider, token)
    return built


def check_naming(setting: Value) -> None:
    """Refuse words of ``session_from`` that name no session. Raises ConfigError."""
    for word in setting.value or ():
        fault = naming_fault(word)
        if fault == "":
            raise setting.unknown(word, (*FIELDS, RUNTIME, "header:NAME", "body:a.b"))
        if fault:
            raise setting.refused(f"{shown(word)} names no session: {fault}", "take it out")


def _check_name(name: Value) -> None:
    if not _NAME.fullmatch(name.value):
        fix = "take lower-case letters, digits, dots, dashes: at most 32"
        raise name.refused(f"{shown(name.value)} cannot be part of an address", fix)


def _provider(row: ArrayElement, known: Mapping[str, ProviderConfig]) -> ProviderConfig:
    named = row.values["provider"]
    if named.value not in known:
        raise named.unknown(named.value, known, "add a [[provider]] of that name")
    if known[named.value].extra_body:
        problem = f"the provider {shown(named.value)} has extra_body, and a source passes bodies as they are"
        raise named.refused(problem, "give it a [[provider]] without")
    return known[named.value]


def _token(row: ArrayElement, secrets: SecretReader) -> str | None:
    by_env, by_file = row.values["token_env"], row.values["token_file"]
    if by_env.value is None and by_file.value is None:
        raise row.refused("it has no token", "add token_file or token_env")
    token = secrets.find(row.values, "token").value
    if token is not None and not _TOKEN.fullmatch(token):
        fix = "take 16 to 256 letters, digits, and . _ ~ -, since it stands in an address"
        named = by_env if by_file.value is None else by_file
        secrets.problems.append(named.refused("the token cannot be used", fix))
        return None
    return token


def _source(row: ArrayElement, provider: ProviderConfig, token: str | None) -> SourceConfig:
    preset = PRESETS[row.get("preset")]
    check_naming(row.values["session_from"])
    session_from = row.get("session_from")
    silence = max(preset.silence_ms, LOCAL_SILENCE_MS if is_near(provider.base_url) else 0)
    first_ms, idle_ms = row.get("first_byte_timeout") or silence, row.get("idle_timeout") or silence
    return filled(
        SourceConfig,
        row.values,
        provider=replace(provider, first_byte_timeout_ms=first_ms, idle_timeout_ms=idle_ms),
        token=token,
        session_from=preset.session_from if session_from is None else session_from,
        answers_aborts=row.get("on_abort") == "answer",
        limits=_limits(row, max(first_ms, idle_ms)),
    )


def is_near(base_url: str) -> bool:
    """Whether a URL is on this machine or in a private network, where programs wait longer for models."""
    host = (urlsplit(base_url).hostname or "").lower()
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan"))


def _limits(row: ArrayElement, longest_ms: int) -> dict[str, Value]:
    """The limits of a source's runs, for lanes whose policies set none; ``longest_ms``: its longest silence."""
    run, stall = row.values["run_timeout"], row.values["stall_timeout"]
    if not run.explicit:
        run = run._replace(value=RUN_TIMEOUT_MS)
    if not stall.explicit:
        stall = stall._replace(value=longest_ms + STALL_MARGIN_MS)
    for name in ("first_byte_timeout", "idle_timeout"):
        value = row.values[name]
        if value.explicit and stall.explicit and stall.value is not None and value.value >= stall.value:
            problem = f"contradicts {stall.key} ({stall.where}): {name} is below stall_timeout"
            raise value.refused(problem, "change one of the two")
    return {"run_timeout": run, "stall_timeout": stall}
