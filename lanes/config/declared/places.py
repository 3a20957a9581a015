"""Where lanes keeps a user's files, and which gateways of this user are alive.

Every gateway leaves a note in the state directory, so that a command that names no database finds the one in
use. A note is a hint, never a lock. The note of a killed gateway stays until another gateway starts; one of an earlier
boot, until a gateway starts on the same database.
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from lanes.base.terminal import without_password
from lanes.host.identity import Identity, ProcessSighting, identity_of, look, this_process
from lanes_storage.sqlite.file.paths import absolute
from lanes_storage.tuples import NamedTuple


class GatewayNote(NamedTuple):
    """The note of a gateway: its process, its database (a path, or a URL without its password), and the URL that it
    listens on, if any."""

    process: Identity
    database: str
    url: str | None
    path: Path


class ChosenBy(StrEnum):
    """Why a database was chosen."""

    NAMED = "named"
    GATEWAY = "gateway"  # every living gateway uses it
    LAST = "last"  # the last gateway, which has ended, used it
    DEFAULT = "default"


class FoundDatabase(NamedTuple):
    """The database that a command acts on, and why."""

    url: str
    why: ChosenBy


def home_dir(*, env: Mapping[str, str] | None = None) -> Path:
    """The home directory of this user; ``/`` for a user unknown to the system, as in some containers."""
    env = os.environ if env is None else env
    if named := env.get("HOME"):
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def state_dir() -> Path:
    """``$XDG_STATE_HOME/lanes``, else ``~/.local/state/lanes``. It may not exist yet."""
    return _xdg("XDG_STATE_HOME", ".local/state", os.environ)


def default_database() -> Path:
    """The database where none is named."""
    return state_dir() / "lanes.db"


def demo_database() -> Path:
    """The database of the simulated provider, separate from real work."""
    return state_dir() / "demo.db"


def config_candidates(*, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> list[Path]:
    """The paths at which a configuration file is looked for when none is named, in order."""
    return [(cwd or current_dir(env=env)) / "lanes.toml", config_dir(env=env) / "lanes.toml"]


def found_config(*, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path | None:
    """The first of ``config_candidates`` that exists; a folder that this user may not enter counts as empty."""
    for path in config_candidates(env=env, cwd=cwd):
        with contextlib.suppress(OSError):
            if path.exists():
                return path
    return None


def current_dir(*, env: Mapping[str, str] | None = None) -> Path:
    """The current folder; if it was deleted, its former path, where no file is found."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/", (os.environ if env is None else env).get("PWD", ""))


def config_dir(*, env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CONFIG_HOME/lanes``, else ``~/.config/lanes``. It may not exist yet."""
    return _xdg("XDG_CONFIG_HOME", ".config", os.environ if env is None else env)


def gateways_dir() -> Path:
    """The folder for the notes of gateways."""
    return state_dir() / "gateways"


def make_private(folder: Path) -> Path:
    """Create a folder, and those above it that are missing, for this user alone. Returns it. Raises OSError."""
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would not apply the mode to the parents
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def note_gateway(pid: int, database: str, *, url: str | None = None) -> Path:
    """Write the note of the gateway ``pid``, and remove the notes of dead gateways.

    Returns the path of the note, to be unlinked when the gateway ends. Raises OSError where the state directory cannot
    be written; a gateway works without a note.
    """
    import json

    from lanes.host.files import put

    process = this_process() if pid == os.getpid() else identity_of(pid)
    folder = make_private(gateways_dir())
    path = folder / f"{process.pid}-{process.start_time}.json"
    used = _absolute(database)
    put(_last(), used)
    for note, sight in _notes():
        # A note of another boot may be from another machine of the same name that shares this folder.
        if sight.gone or (sight is ProcessSighting.OTHER_BOOT and note.database == used):
            with contextlib.suppress(OSError):
                note.path.unlink()
    put(path, json.dumps(process._asdict() | {"database": used, "url": url}))
    return path


def last_database() -> str | None:
    """The database of this user's most recently started gateway, whether it is alive or not; None: not known."""
    try:
        return _last().read_text(encoding="utf-8") or None
    except (OSError, ValueError):
        return None


def _last() -> Path:
    return state_dir() / "last-database"


def living_gateways() -> list[GatewayNote]:
    """The gateways of this user that live on this host, oldest first."""
    return [note for note, sight in _notes() if sight in (ProcessSighting.ALIVE, ProcessSighting.STOPPED)]


def _notes() -> list[tuple[GatewayNote, ProcessSighting]]:
    """Every note, with the sighting of its process, the oldest process first."""
    me = this_process()
    notes = [note for path in gateways_dir().glob("*.json") if (note := _read(path)) is not None]
    return [(note, look(note.process, me)) for note in sorted(notes, key=lambda note: note.process.start_time)]


def find_database(*, really_used: Callable[[str], bool]) -> FoundDatabase:
    """The database where none is named: the one that all living gateways use, else that of the last gateway.

    The default database is chosen where living gateways use several, where no last one exists, and, while no gateway
    lives, once a real runner has run on it (``really_used``).
    """
    default = default_database()
    databases = {note.database for note in living_gateways()}
    if len(databases) == 1:
        return FoundDatabase(databases.pop(), ChosenBy.GATEWAY)
    last = last_database()
    if databases or last is None or not _is_there(last) or (default.exists() and really_used(str(default))):
        return FoundDatabase(str(default), ChosenBy.DEFAULT)
    return FoundDatabase(last, ChosenBy.LAST)


def _is_there(database: str) -> bool:
    return database.startswith("postgresql://") or Path(database.removeprefix("sqlite:///")).exists()


def _xdg(variable: str, fallback: str, env: Mapping[str, str]) -> Path:
    named = env.get(variable, "")
    if named.startswith("/"):  # the XDG specification: ignore a relative path
        return Path(named) / "lanes"
    return home_dir(env=env) / fallback / "lanes"


def _absolute(database: str) -> str:
    if "://" not in database:
        return str(absolute(Path(database)))
    scheme, _, rest = database.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and not rest.startswith("//"):
        return f"sqlite:///{absolute(Path(rest[1:]))}"
    return without_password(database)


def _read(path: Path) -> GatewayNote | None:
    """The note in that file; None if it has vanished, or was written by another version."""
    import json

    try:
        content = json.loads(path.read_bytes())
        process = Identity(**{name: kind(content[name]) for name, kind in Identity.__annotations__.items()})
        return GatewayNote(process, str(content["database"]), content["url"] and str(content["url"]), path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
