"""The programs: where each keeps its settings, where its models are now, and which of its keys point it at lanes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from lanes.base.errors import ConfigError
from lanes.config.declared.places import home_dir
from lanes.guard import jsontext
from lanes.guard.codex import codex
from lanes.guard.hermes import hermes
from lanes.guard.pointing import ACCOUNTS, Pointing, known

V1 = "/v1"

#: From the text of its file, and the address of the source (which ends with ``/v1``). Raises ConfigError.
Point = Callable[[str, str], Pointing]


class Program(NamedTuple):
    """``file``: where its settings are, from the environment. ``after``: what has to be done for it to read them.
    ``reads_within_s``: how long it may take to read them by itself."""

    name: str
    file: Callable[[Mapping[str, str]], Path]
    point: Point
    after: str
    reads_within_s: float = 0.0


def _home(env: Mapping[str, str], variable: str, otherwise: str) -> Path:
    return Path(env[variable]) if env.get(variable) else home_dir(env=env) / otherwise


def _claude(text: str, base: str) -> Pointing:
    at = ("env", "ANTHROPIC_BASE_URL")
    now = _text_at(text, at)
    upstream = ACCOUNTS["anthropic"] if now is None else f"{now.rstrip('/')}{V1}"
    return Pointing(upstream, [jsontext.setting(text, at, base.removesuffix(V1))])


def _opencode(text: str, base: str) -> Pointing:
    account = (_text_at(text, ("model",)) or "").partition("/")[0]
    if not account:
        raise ConfigError(
            'opencode has no "model" in its file, which names the account to point at lanes; set it first'
        )
    at = ("provider", account, "options", "baseURL")
    return Pointing(known(account, _text_at(text, at)), [jsontext.setting(text, at, base)])


def _openclaw(text: str, base: str) -> Pointing:
    model = ("agents", "defaults", "model")
    account = (_text_at(text, (*model, "primary")) or _text_at(text, model) or "").partition("/")[0]
    if not account:
        raise ConfigError("OpenClaw has no agents.defaults.model.primary, which names the account; set it first")
    at = ("models", "providers", account, "baseUrl")
    now = _text_at(text, at)
    upstream = known(account, now)
    bare = _text_at(text, (*at[:-1], "api")) == "anthropic-messages" or (now is not None and not now.endswith(V1))
    if bare and upstream is not None and not upstream.endswith(V1):
        upstream += V1
    return Pointing(upstream, [jsontext.setting(text, at, base.removesuffix(V1) if bare else base)])


def _text_at(text: str, path: tuple[str, ...]) -> str | None:
    node = jsontext.node_at(jsontext.parse(text), path)
    return node.value if node is not None and isinstance(node.value, str) else None


PROGRAMS = {
    each.name: each
    for each in (
        Program(
            "openclaw",
            lambda env: _home(env, "OPENCLAW_CONFIG_PATH", ".openclaw/openclaw.json"),
            _openclaw,
            "restart its gateway, unless it reloads its configuration by itself",
            reads_within_s=3.0,
        ),
        Program("codex", lambda env: _home(env, "CODEX_HOME", ".codex") / "config.toml", codex, "start it again"),
        Program(
            "claude",
            lambda env: _home(env, "CLAUDE_CONFIG_DIR", ".claude") / "settings.json",
            _claude,
            "start it again",
        ),
        Program(
            "opencode",
            lambda env: _home(env, "XDG_CONFIG_HOME", ".config") / "opencode" / "opencode.json",
            _opencode,
            "start it again",
        ),
        Program("hermes", lambda env: _home(env, "HERMES_HOME", ".hermes") / "config.yaml", hermes, "restart it"),
    )
}


def program_file(program: Program) -> Path:
    """Its file, behind any link."""
    return Path(os.path.realpath(program.file(os.environ)))
