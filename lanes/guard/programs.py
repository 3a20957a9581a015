"""The programs: where each keeps its settings, where its models are now, and which of its keys point it at lanes."""

import json
import os
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

from lanes.base.errors import ConfigError
from lanes.config.declared.places import home_dir
from lanes.guard import jsontext
from lanes.guard.codex import codex
from lanes.guard.files import BYTE_ORDER_MARK, read
from lanes.guard.hermes import hermes
from lanes.guard.pointing import ACCOUNTS, Pointing, known

V1 = "/v1"

#: How to point a program at lanes, from the text of its file, the address of the source (which ends with ``/v1``), and
#: the environment. Raises ConfigError.
Point = Callable[[str, str, Mapping[str, str]], Pointing]
#: With one of these set, Claude Code asks a cloud, and ignores its ANTHROPIC_BASE_URL.
_CLOUD = re.compile(r"CLAUDE_CODE_USE_(?:BEDROCK|VERTEX|FOUNDRY|MANTLE|ANTHROPIC_AWS|ANTHROPIC_GOOGLE_CLOUD)")


class Program(NamedTuple):
    """``file``: the file of its settings, by the environment. ``after``: what a person has to do so that it reads
    changed settings. ``reads_within_s``: how long it may take to read them by itself; 0 if it does not."""

    name: str
    file: Callable[[Mapping[str, str]], Path]
    point: Point
    after: str
    reads_within_s: float = 0.0


def _home(env: Mapping[str, str], variable: str, otherwise: str) -> Path:
    return Path(env[variable]) if env.get(variable) else home_dir(env=env) / otherwise


def _codex_home(env: Mapping[str, str]) -> Path:
    return _home(env, "CODEX_HOME", ".codex")


def _claude(text: str, base: str, env: Mapping[str, str]) -> Pointing:
    """Claude Code prefers variables in its file to its environment, and ignores a file with comments as a whole."""
    settings = jsontext.node_at(jsontext.parse(text), ("env",))
    try:
        json.loads(text.strip() or "{}")
    except ValueError as error:
        raise ConfigError(f"Claude Code reads only plain JSON, and this is not ({error}); correct it first") from error
    for name, value in {**env, **(settings.value if settings is not None and settings.members else {})}.items():
        if _CLOUD.fullmatch(name) and str(value).lower() not in ("", "0", "false", "no", "off"):
            raise ConfigError(f"{name} is set: Claude Code uses that cloud, and lanes cannot stand between them")
    at = ("env", "ANTHROPIC_BASE_URL")
    now = _text_at(text, at) or env.get(at[-1])
    upstream = f"{now.rstrip('/')}{V1}" if now else ACCOUNTS["anthropic"]
    return Pointing(upstream, [jsontext.setting(text, at, base.removesuffix(V1))])


def _opencode(text: str, base: str, _: Mapping[str, str]) -> Pointing:
    account = (_text_at(text, ("model",)) or "").partition("/")[0]
    if not account:
        raise ConfigError(
            'opencode has no "model" in its file, which names the account to point at lanes; set it first'
        )
    at = ("provider", account, "options", "baseURL")
    return Pointing(known(account, _text_at(text, at)), [jsontext.setting(text, at, base)])


def _opencode_file(env: Mapping[str, str]) -> Path:
    """The one that sets models among the files that opencode merges. Raises ConfigError if several do."""
    folder = _home(env, "XDG_CONFIG_HOME", ".config") / "opencode"
    paths = [folder / name for name in ("opencode.json", "opencode.jsonc", "config.json")]
    if named := env.get("OPENCODE_CONFIG"):
        paths.append(Path(named).absolute())
    telling = [path for path in dict.fromkeys(paths) if _members(path) & {"model", "provider"}]
    if len(telling) > 1:
        raise ConfigError(
            f'opencode reads {" and ".join(map(str, telling))} together; move "model" and "provider" into one of them'
        )
    return telling[0] if telling else paths[0]


def _members(path: Path) -> AbstractSet[str]:
    """The top-level names of a JSON file."""
    try:
        return (jsontext.parse((read(path) or "").removeprefix(BYTE_ORDER_MARK)).members or {}).keys()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _openclaw(text: str, base: str, _: Mapping[str, str]) -> Pointing:
    model = ("agents", "defaults", "model")
    account = (_text_at(text, (*model, "primary")) or _text_at(text, model) or "").partition("/")[0]
    if not account:
        raise ConfigError("OpenClaw has no agents.defaults.model.primary, which names the account; set it first")
    at = ("models", "providers", account, "baseUrl")
    now = _text_at(text, at)
    tree = jsontext.parse(text)
    if now is None and any(jsontext.node_at(tree, (*at[:depth], "$include")) for depth in range(len(at))):
        raise ConfigError(
            f"OpenClaw includes other files, which may say where {account} is; set {'.'.join(at)} (and api, if it has "
            "one) in this file, where they come before what is included"
        )
    upstream = known(account, now)
    bare = _text_at(text, (*at[:-1], "api")) == "anthropic-messages" or (now is not None and not now.endswith(V1))
    if bare and upstream is not None and not upstream.endswith(V1):
        upstream += V1
    return Pointing(upstream, [jsontext.setting(text, at, base.removesuffix(V1) if bare else base)])


class OpenClawHome(NamedTuple):
    """The state folder of an OpenClaw, and the file of its configuration."""

    state: Path
    config: Path


def openclaw_home(env: Mapping[str, str], folder: Path) -> OpenClawHome:
    """The folders of an OpenClaw that was started with that environment, in that folder."""

    def named(variable: str, home: Path) -> Path | None:
        value = env.get(variable, "").strip()
        inside = value.removeprefix("~") if value == "~" or value.startswith("~/") else None
        return (folder / value if inside is None else home / inside.lstrip("/")) if value else None

    system = home_dir(env=env)
    home = named("OPENCLAW_HOME", system) or system
    state = named("OPENCLAW_STATE_DIR", home) or home / ".openclaw"
    return OpenClawHome(state, named("OPENCLAW_CONFIG_PATH", home) or state / "openclaw.json")


def _text_at(text: str, path: tuple[str, ...]) -> str | None:
    node = jsontext.node_at(jsontext.parse(text), path)
    return node.value if node is not None and isinstance(node.value, str) else None


PROGRAMS = {
    each.name: each
    for each in (
        Program(
            "openclaw",
            lambda env: openclaw_home(env, Path()).config,
            _openclaw,
            "restart its gateway, unless it reloads its configuration by itself",
            reads_within_s=3.0,
        ),
        Program(
            "codex",
            lambda env: _codex_home(env) / "config.toml",
            lambda text, base, env: codex(text, base, _codex_home(env) / "auth.json"),
            "start it again",
        ),
        Program(
            "claude",
            lambda env: _home(env, "CLAUDE_CONFIG_DIR", ".claude") / "settings.json",
            _claude,
            "start it again",
        ),
        Program(
            "opencode",
            _opencode_file,
            _opencode,
            "start it again",
        ),
        Program(
            "hermes",
            lambda env: _home(env, "HERMES_HOME", ".hermes") / "config.yaml",
            lambda text, base, _: hermes(text, base),
            "restart it",
        ),
    )
}


def program_file(program: Program) -> Path:
    """The settings file of a program, with links resolved."""
    return Path(os.path.realpath(program.file(os.environ)))
