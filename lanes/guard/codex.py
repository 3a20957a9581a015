"""Points codex at lanes: adds a provider ``lanes``, a copy of the present one with another address."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lanes.base.errors import ConfigError
from lanes.guard.jsontext import Edit
from lanes.guard.pointing import Pointing, known
from lanes.text.toml import toml_table

_OURS = 'model_provider = "lanes"'
_LINE = re.compile(r"^[ \t]*model_provider[ \t]*=[^\r\n]*", re.MULTILINE)
#: The address of the models of a ChatGPT account.
CHATGPT = "https://chatgpt.com/backend-api/codex"
#: codex recognises Azure by one of these in the address, or by the provider's name, and sends it other requests.
_AZURE = ("openai.azure.", "cognitiveservices.azure.", "aoai.azure.", "azure-api.", "azurefd.", "windows.net/openai")


def codex(text: str, base: str, login: Path | None = None) -> Pointing:
    """How to point codex at ``base``, from the text of its file. ``login``: its file with the login. Raises ConfigError
    if the text is not exactly understood."""
    now = _parsed(text)
    account, providers = now.get("model_provider", "openai"), now.get("model_providers", {})
    if not isinstance(account, str) or not isinstance(providers, dict):
        raise ConfigError("its model_provider is not a text, or its model_providers not a table; correct it first")
    if "lanes" in providers:
        raise ConfigError("it already has a model provider named lanes; remove it first")
    _check_profile(now)
    upstream, table = _present_provider(account, providers, now.get("openai_base_url") or _login_upstream(login))
    table |= {"base_url": base}
    block = toml_table("[model_providers.lanes]", table)
    gap = "" if not text or text.endswith("\n") else "\n"
    last = Edit(len(text), len(text), gap + block)
    intended = now | {"model_provider": "lanes", "model_providers": providers | {"lanes": table}}
    for first in _candidate_edits(text):
        if _parses_to(text[: first.start] + first.ours + text[first.end :] + last.ours, intended):
            return Pointing(upstream, [first, last])
    raise ConfigError(
        "lanes cannot edit its file as it is written; write model_provider as one line before all tables, "
        "and each provider as a table [model_providers.NAME]"
    )


def _login_upstream(login: Path | None) -> str | None:
    """The address of the models if codex uses a ChatGPT login; None if it has a key, or that is not known."""
    try:
        said = json.loads("{}" if login is None else login.read_bytes())
        with_key = said.get("OPENAI_API_KEY") or not said.get("tokens")
        mode = said.get("auth_mode") or ("apikey" if with_key else "chatgpt")  # older files do not name it
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return CHATGPT if mode == "chatgpt" else None


def _present_provider(account: str, providers: Mapping[str, Any], openai: object) -> tuple[str | None, dict[str, Any]]:
    """The address of the present provider, and its table, which keeps how a key is sent: no other key goes there."""
    if account == "openai":
        if account in providers:
            raise ConfigError("codex has openai built in and ignores [model_providers.openai]; remove it first")
        address = openai if isinstance(openai, str) else None
        return known(account, address), {"name": "lanes", "wire_api": "responses", "requires_openai_auth": True}
    table = providers.get(account)
    if not isinstance(table, dict) or not isinstance(address := table.get("base_url"), str):
        raise ConfigError(f"[model_providers.{account}] with a base_url is not in its file; add it first")
    if table.get("wire_api", "responses") != "responses":
        raise ConfigError(f'[model_providers.{account}] has a wire_api other than "responses"; change it first')
    if table.get("supports_websockets"):
        raise ConfigError(
            f"lanes does not pass on WebSockets; set supports_websockets = false in [model_providers.{account}]"
        )
    azure = any(each in address.lower() for each in _AZURE)
    return known(account, address), table | ({"name": "azure"} if azure else {})


def _check_profile(now: Mapping[str, Any]) -> None:
    """Refuse a default profile that names its own provider: it overrides the rest of the file. Raises ConfigError."""
    profile, profiles = now.get("profile"), now.get("profiles", {})
    chosen = profiles.get(profile) if isinstance(profiles, dict) and isinstance(profile, str) else None
    if isinstance(chosen, dict) and "model_provider" in chosen:
        raise ConfigError(
            f"its profile {profile} has its own model_provider, which would bypass lanes; move it out of the profile"
        )


def _candidate_edits(text: str) -> Iterator[Edit]:
    """The edits that may set ``model_provider``: parsing the result shows which of them does."""
    for line in _LINE.finditer(text):
        yield Edit(line.start(), line.end(), _OURS)
    yield Edit(0, 0, _OURS + "\n")


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"its file is not TOML ({error}); nothing was changed") from error


def _parses_to(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return _parsed(text) == expected
    except ConfigError:
        return False
