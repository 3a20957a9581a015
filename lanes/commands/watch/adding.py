"""``lanes watch add``: find a gateway of another program, ask for consent, try or pair, and write the configuration."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.session import Session
from lanes.commands.output.printing import say
from lanes.config.declared import places
from lanes.config.declared.model import WatchConfig
from lanes.config.declared.setting import WATCHED
from lanes.config.reading.watches import is_encrypted, is_loopback
from lanes.guard.files import appended, write
from lanes.guard.installing import alone
from lanes.host.files import put
from lanes.host.holder import is_listened_to_by_us
from lanes.text.toml import toml_table
from lanes.watch.adapter import Adapter, SourceDown
from lanes.watch.finding import (
    FoundGateway,
    codex_token_file,
    find_gateways,
    home_of_openclaw,
    openclaw_token,
    opencode_password,
)
from lanes.watch.kinds import adapter_of, keys_folder
from lanes_storage.law import SourceState


class NewWatch(NamedTuple):
    """The options of the command line."""

    kind: str | None
    name: str | None
    address: str | None
    token_file: str | None
    yes: bool


def add_watch(session: Session, options: NewWatch) -> int:
    """Add one gateway. Raises ConfigError."""
    gateway = _chosen(options)
    name = options.name or gateway.kind
    if any(watch.name == name for watch in session.config().watches):
        fail(f"there is a [[watch]] of the name {name}: give another one with --name")
    values = {"name": name, "kind": gateway.kind, "url": gateway.url}
    if gateway.kind == "openclaw":
        values |= _paired_openclaw(session, options, gateway, name)
    else:
        values |= _tried(session, options, gateway, name)
    return _write(session, values, options.yes)


def _chosen(options: NewWatch) -> FoundGateway:
    found = find_gateways(options.kind)
    if options.address is not None:
        return _at(options.address.rstrip("/"), options.kind, found)
    if not found:
        program = options.kind or "gateway that lanes can watch"
        raise ConfigError(f"no {program} of this user listens on this machine: start it, or give its --address")
    if len(found) > 1:
        gateways = "; ".join(f"{each.kind} at {each.url} (pid {each.pid})" for each in found)
        fail(f"several run here: {gateways}. Choose one with --kind or --address")
    say(f"found {found[0].kind} at {found[0].url} (pid {found[0].pid})")
    return found[0]


def _at(address: str, kind: str | None, found: Sequence[FoundGateway]) -> FoundGateway:
    """The gateway at an address, with its process if it is one of those that were found."""
    try:
        here = urlsplit(address).port if is_loopback(address) else None
    except ValueError:
        fail(f"{address} is not an address")
    running = next((each for each in found if here is not None and urlsplit(each.url).port == here), None)
    program = kind or (running.kind if running else "openclaw")
    if urlsplit(address).scheme not in WATCHED[program]:
        fail(
            f"the address of {program} begins with {' or '.join(WATCHED[program])}: choose another program with --kind"
        )
    return FoundGateway(program, running.pid if running else 0, address)


def _tried(session: Session, options: NewWatch, gateway: FoundGateway, name: str) -> dict[str, str]:
    """Connect once; returns the further settings to write. The token stays in its file, for later connections."""
    file = None if options.token_file is None else Path(options.token_file).absolute()
    version = _version(gateway, name, file)
    if version is None and file is None:
        file = _token_file(session, options, gateway, name)
        version = _version(gateway, name, file)
    if version is None:
        raise ConfigError(f"{gateway.kind} at {gateway.url} refuses the token of {file}")
    say(f"connected to {gateway.kind} {version}")
    return {} if file is None else {"token_file": str(file)}


def _version(gateway: FoundGateway, name: str, file: Path | None) -> str | None:
    """The version of a gateway; None if it refuses the token, or needs one. Raises ConfigError."""
    token = None
    if file is not None:
        _check_listener(gateway.url)
        token = _read(file)
    watch = WatchConfig(name, gateway.kind, gateway.url, token, None, None, None)
    adapter = adapter_of(watch, keys_folder())
    try:
        return asyncio.run(_closing(adapter, adapter.connect()))
    except SourceDown as down:
        if down.state is SourceState.REFUSED:
            return None
        raise ConfigError(f"it cannot be watched: {down}") from down


async def _closing(adapter: Adapter, request: Coroutine[None, None, str]) -> str:
    """Make a request to a gateway, then close its connections."""
    try:
        return await request
    finally:
        await adapter.close()


def _token_file(session: Session, options: NewWatch, gateway: FoundGateway, name: str) -> Path:
    """The file with a token that is found on this machine, if the person allows reading it."""
    if gateway.kind == "codex" and gateway.pid and (token_file := codex_token_file(gateway.pid)) is not None:
        _allowed(session, options, f"Read the token of codex from {token_file}, at each connection?")
        return token_file
    if gateway.kind == "opencode" and gateway.pid:
        file = keys_folder() / f"{name}.token"
        _allowed(
            session, options, f"Read the password of opencode from its environment, and keep it in {file} (mode 0600)?"
        )
        if password := opencode_password(gateway.pid):
            places.make_private(file.parent)
            put(file, password)
            return file
    raise ConfigError(f"{gateway.kind} at {gateway.url} needs a token: give --token-file")


def _confirmed(session: Session, yes: bool, question: str) -> bool:
    return yes or (session.out.is_interactive and click.confirm(question, err=True))


def _allowed(session: Session, options: NewWatch, question: str) -> None:
    if not _confirmed(session, options.yes, question):
        fail("it needs a token: allow lanes to read the one found here (--yes), or give --token-file")


def _paired_openclaw(session: Session, options: NewWatch, gateway: FoundGateway, name: str) -> dict[str, str]:
    """Pair both devices; returns the further settings to write. The token is used once and not stored."""
    from lanes.watch.openclaw.adapter import OpenClawAdapter, paired

    pid = gateway.pid or None
    home = home_of_openclaw(pid)
    keys = keys_folder()
    token = None
    if not paired(keys, name):
        token = _token_of(session, options, home.config, pid)
        _check_listener(gateway.url)
    adapter = OpenClawAdapter(name, gateway.url, keys, token=token or "")
    try:
        version = asyncio.run(_closing(adapter, adapter.pair()))
    except SourceDown as down:
        raise ConfigError(f"it cannot be watched: {down}") from down
    say(f"paired with OpenClaw {version}: two devices, one that reads and one that may abort; their keys are in {keys}")
    return {"files": str(home.state)} if home.state.is_dir() else {}


def _token_of(session: Session, options: NewWatch, config: Path, pid: int | None) -> str:
    if options.token_file is not None:
        return _read(Path(options.token_file))
    question = f"Read the token of its gateway from its environment or {config}, once, to pair with it?"
    if not _confirmed(session, options.yes, question):
        fail("it is not paired yet: allow its configuration to be read (--yes), or give --token-file")
    token = openclaw_token(config, pid)
    if token is None:
        raise ConfigError(f"{config} names no token that can be read: give --token-file")
    return token


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {getattr(error, 'strerror', 'it is not text')}") from error


def _check_listener(url: str) -> None:
    """A token goes only to a process of this user, or over an encrypted connection."""
    if is_encrypted(url):
        return
    port = urlsplit(url).port
    if not is_loopback(url) or port is None or not is_listened_to_by_us(port):
        why = "it is neither encrypted (wss://, https://) nor a process of this user on this machine"
        raise ConfigError(f"the token is not sent to {url}: {why}")


def _write(session: Session, values: dict[str, str], yes: bool) -> int:
    """Add the ``[[watch]]`` to the configuration file, atomically. Raises ConfigError."""
    path = (session.config().source or places.config_dir() / "lanes.toml").resolve()
    changed = appended(path, toml_table("[[watch]]", values))
    for line in changed.diff().splitlines():
        say(line)
    if not _confirmed(session, yes, f"Write it into {path}?"):
        say("nothing was written; it can be added by hand")
        return Exit.FAILED
    with alone():
        write(changed._replace(pieces=()))  # there is no undo, so the former content is not kept
    say(f"written into {path}: `lanes watch` watches it, and so does a gateway with this configuration")
    return Exit.DONE
