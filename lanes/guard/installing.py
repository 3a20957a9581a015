"""What ``lanes guard PROGRAM`` changes: the program's own file, lanes.toml, a token, and a unit for the gateway."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lanes.base.addresses import is_http
from lanes.base.errors import ConfigError, NotAllowed
from lanes.config.declared import places
from lanes.guard import files
from lanes.guard.files import ChangedFile, ChangeRecord
from lanes.guard.jsontext import Edit
from lanes.guard.programs import Program, program_file
from lanes.guard.units import ServiceUnit, unit
from lanes.host.files import put
from lanes.text.toml import toml_table

LOOPBACK = "127.0.0.1"
#: Wildcard addresses: a gateway that listens on one of them is reached at loopback.
_EVERYWHERE = ("0.0.0.0", "::")


class Installation(NamedTuple):
    """The planned changes. ``url``: the address of lanes for the program, with the token in it. ``unit``: the unit that
    starts the gateway, installed already or by these changes; None if there is none."""

    program: Program
    upstream: str
    url: str
    token: str
    token_file: Path
    changes: list[ChangedFile]
    unit: ServiceUnit | None

    @property
    def secretless_diff(self) -> str:
        """The diff of everything, without the token."""
        return "".join(each.diff() for each in self.changes).replace(self.token, "TOKEN")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the lock by which one process at a time changes configurations, from its first read to its last write.
    Raises NotAllowed and ConfigError."""
    try:
        lock = os.open(places.make_private(folder()) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{folder()} cannot be written: {error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise NotAllowed(
                f"another lanes (pid {holder}) is changing configurations: wait until it has ended"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def planned(
    program: Program,
    *,
    host: str = LOOPBACK,
    port: int,
    config: Path | None,
    upstream: str | None,
    service: bool,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Installation:
    """What guarding a program would change. ``host`` and ``port``: where the gateway listens; ``environment``: the
    variables in its unit. Raises ConfigError."""
    if record_of(program).exists():
        raise ConfigError(f"{program.name} is already guarded; `lanes guard {program.name} --undo` takes it back")
    if port == 0:
        raise ConfigError(f"gateway.port is 0, a new port at each start: set a fixed port for {program.name}")
    token, token_file = secrets.token_urlsafe(24), _token_file(program)
    sources = f"{_address(host, port)}/g/"
    url = f"{sources}{program.name}/{token}/v1"
    path = program_file(program)
    text = files.read(path)
    try:
        pointing = program.point((text or "").removeprefix(files.BYTE_ORDER_MARK), url, os.environ)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    behind = upstream or pointing.upstream
    if behind is None:
        raise ConfigError(f"the address of the models of {program.name} is not known: give it with --upstream")
    if not is_http(behind):
        raise ConfigError(
            f"{path}: {behind!r} is not an address of models: give it with --upstream, such as https://host/v1"
        )
    if behind.startswith(sources):
        raise ConfigError(f"{program.name} already points at lanes")
    toml = Path(os.path.realpath(config or places.config_dir() / "lanes.toml"))
    account = _account(program)
    tables = toml_table("[[provider]]", {"name": account, "base_url": behind, "api_key": "client"})
    named = {"name": program.name, "preset": program.name, "provider": account, "token_file": str(token_file)}
    tables += toml_table("[[source]]", named)
    changes = [files.appended(toml, tables), files.edited(path, text, pointing.edits)]
    starter = unit(toml, environment) if service else None
    if starter is not None and files.read(starter.path) is None:
        changes.append(files.edited(starter.path, None, [Edit(0, 0, starter.text)]))
    return Installation(program, behind, url, token, token_file, changes, starter)


def _address(host: str, port: int) -> str:
    """The URL of a gateway that listens on this address."""
    named = LOOPBACK if host in _EVERYWHERE else host
    return f"http://{f'[{named}]' if ':' in named else named}:{port}"


def install(plan: Installation, begin: Callable[[], None]) -> None:
    """Make the planned changes. The record for undoing them is written first, so that a failure later can be undone.
    ``begin`` is called just before the program is pointed at lanes, to start a gateway. Raises ConfigError."""
    path = program_file(plan.program)
    try:
        places.make_private(folder())
        put(plan.token_file, plan.token + "\n")
        put(record_of(plan.program), ChangeRecord.of(plan.changes, done=False).as_json())
        for changed in sorted(plan.changes, key=lambda each: each.path == path):
            if changed.path == path:
                begin()
            files.write(changed)
        put(record_of(plan.program), ChangeRecord.of(plan.changes, done=True).as_json())
    except OSError as error:
        raise ConfigError(f"{folder()} cannot be written: {error}") from error


def undone(program: Program) -> list[ChangedFile]:
    """What undoing would change. A unit stays as long as other programs are guarded; a file that is gone, or that was
    changed back by hand, needs no change.

    Raises ConfigError: the program is not guarded, or a file was changed since.
    """
    record, changes = _record(program), list[ChangedFile]()
    for path, pieces in record.files:
        if path == _unit_path() and _others(program):
            continue
        now = files.read(path)
        if now is None:
            continue
        if not any(piece.ours in now for piece in pieces) and (not record.done or _is_free(path, now, program)):
            continue  # an interrupted installation did not get so far, or it was undone by hand
        changes.append(files.restored(path, pieces, empty=path in record.empty))
    return changes


def _is_free(path: Path, now: str, program: Program) -> bool:
    """Whether a file no longer mentions this guard; false for a unit, which never has one of these signs."""
    token = (files.read(_token_file(program)) or "").strip()
    signs = (token, _token_file(program).name, _account(program))
    return path != _unit_path() and token != "" and not any(sign in now for sign in signs)


def undo(program: Program, changes: list[ChangedFile], stop: Callable[[ServiceUnit], None]) -> None:
    """Make the changes of ``undone``. ``stop`` is called before a unit is deleted, and after the program was pointed
    back: a gateway that stops drains first, and accepts nothing new meanwhile. Raises ConfigError."""
    starter = unit(Path("lanes.toml"))
    for changed in sorted(changes, key=lambda each: starter is not None and each.path == starter.path):
        if starter is not None and changed.path == starter.path:
            stop(starter)
        files.write(changed)
    others, record = _others(program), _record(program)
    kept = tuple(each for each in record.files if each[0] == _unit_path())
    if others and (
        kept or record.empty
    ):  # undoing the last guarded program deletes the unit, and keeps files that were there before
        heir = ChangeRecord.parsed(files.read(others[0]) or "")
        put(others[0], heir._replace(files=(*heir.files, *kept), empty=heir.empty | record.empty).as_json())
    for path in (record_of(program), _token_file(program)):
        path.unlink(missing_ok=True)


def _record(program: Program) -> ChangeRecord:
    text = files.read(record_of(program))
    if text is None:
        raise ConfigError(f"{program.name} is not guarded")
    return ChangeRecord.parsed(text)


def _others(program: Program) -> list[Path]:
    """The records of the other programs that are guarded."""
    return sorted(path for path in folder().glob("*.json") if path != record_of(program))


def _token_file(program: Program) -> Path:
    return folder() / f"{program.name}.token"


def _account(program: Program) -> str:
    """The name of its provider in lanes.toml."""
    return f"{program.name}-account"


def _unit_path() -> Path | None:
    found = unit(Path("lanes.toml"))
    return None if found is None else found.path


def folder() -> Path:
    """The folder of tokens and records."""
    return places.state_dir() / "guard"


def record_of(program: Program) -> Path:
    """The file that records what was changed for a program."""
    return folder() / f"{program.name}.json"
