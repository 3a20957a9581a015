"""Reads the other programs' gateways that lanes watches."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lanes.base.addresses import is_loopback_host
from lanes.base.terminal import without_password
from lanes.config.declared.model import WatchConfig
from lanes.config.declared.refusal import shown
from lanes.config.declared.setting import WATCHED
from lanes.config.declared.values import Value
from lanes.config.reading import secrets
from lanes.config.reading.sections import ArrayElement, check_unique, filled
from lanes.records import HERE

#: A name begins the keys of its lanes, up to the first colon.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def watches(rows: Iterable[ArrayElement], env: Mapping[str, str]) -> tuple[WatchConfig, ...]:
    """The watched gateways; a missing token is None. Raises ConfigError."""
    built: dict[str, WatchConfig] = {}
    for row in rows:
        check_unique(row, built)
        _check_name(row.values["name"])
        _check_url(row)
        token = secrets.resolve(row.values["token_env"], row.values["token_file"], env)
        sends = row.get("token_env") is not None or row.get("token_file") is not None
        if sends and not is_private(row.get("url")):
            problem = "a token would travel unencrypted to another machine"
            raise row.values["url"].refused(problem, "use wss:// or https://")
        files = None if row.get("files") is None else Path(row.get("files"))
        built[row.get("name")] = filled(
            WatchConfig, row.values, url=row.get("url").rstrip("/"), token=token.value, files=files
        )
    return tuple(built.values())


def is_private(url: str) -> bool:
    """Whether a connection to a URL cannot be read by others: it is encrypted, or stays on this machine."""
    return is_encrypted(url) or is_loopback(url)


def is_encrypted(url: str) -> bool:
    """Whether a connection to a URL is encrypted."""
    return url.startswith(("wss://", "https://"))


def is_loopback(url: str) -> bool:
    """Whether only this machine can reach a URL."""
    return is_loopback_host(urlsplit(url).hostname or "")


def _check_name(name: Value) -> None:
    if not _NAME.fullmatch(name.value) or name.value == HERE:
        problem = f"{shown(name.value)} cannot begin the name of a lane"
        raise name.refused(problem, "take letters, digits, dots and hyphens")


def _check_url(row: ArrayElement) -> None:
    url, schemes = row.values["url"], WATCHED[row.get("kind")]
    if "@" in url.value or without_password(url.value) != url.value:
        raise url.refused("secrets are named, never written", "take the token out and use token_env or token_file")
    try:
        parts = urlsplit(url.value)
        usable = (
            parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
        )
    except ValueError:
        usable = False
    if not usable:
        raise url.refused("it is not the address of such a gateway", f"write {schemes[0]}://127.0.0.1:PORT")
