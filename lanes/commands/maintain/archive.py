"""A bundle for a bug report: the state of a database and its gateways, without the texts of conversations.

Without ``texts`` it contains no text, reply, prompt, late reply or reason that a person gave. Keys are replaced by
pseudonyms (the same one for the same key, in this bundle only). It contains only error messages that lanes wrote
itself: those of a provider may quote a conversation.
"""

import json
import platform
import secrets
import sqlite3
import zipfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import lanes
from lanes.config import Config
from lanes.doctor.checks import OWN_WORDS, QuotingMessage
from lanes.drivers.driver import Driver
from lanes.engine.upkeep.watchdog import LAST_SIGN
from lanes.records import Check, jsonable
from lanes.records.record import Json
from lanes.verbs import examining, messages, queries, system
from lanes_storage.law import PAUSED_BY_HAND, REPLACED, Cause, PauseKind
from lanes_storage.schema import versions
from lanes_storage.sqlite.inspect import schema_text

#: How many lanes (the most urgent), events and dead letters (the newest) it contains at most.
LANES, EVENTS, LETTERS = 1_000, 10_000, 1_000
#: Fields of records, and of the details of events, that contain texts of a conversation, or a part of a key.
PRIVATE_FIELDS = frozenset({"text", "asked", "held_up", "reply", "reply_so_far", "request", "unreadable", "match"})
#: Reasons that lanes writes itself; any other reason was typed by a person.
OUR_REASONS = frozenset({*PauseKind, PAUSED_BY_HAND, REPLACED})
#: How sentences begin that may end with a person's reason.
WITH_REASON = ("aborted by ", "paused by ")
#: Settings that contain a prompt, or a part of a key.
PRIVATE_SETTINGS = frozenset({"system", "match"})
#: Causes whose message contains foreign text or keys.
THEIRS = frozenset(
    {Cause.PROVIDER_FAILED, Cause.PROVIDER_COOLING, Cause.RUNNER_FAILED, Cause.BACKEND_LOST, Cause.WAIT_CYCLE}
)
#: Causes whose message lanes writes itself. A cause that a runner defines comes with the runner's message.
OURS = frozenset({None, *Cause}) - THEIRS
LEFT_OUT = "(left out)"
Hide = Callable[[Any], Any]

ABOUT = """\
A bundle of lanes, made for a bug report.

about.json      versions of lanes, Python, SQLite and the system
schema.sql      how the database was made
settings.json   every setting with its origin; secrets are never in it, only where they are
status.json     counts, gateways, cooldowns
owners.json     the gateways with their hosts and processes
lanes.json      the {lanes} lanes with the greatest harm
letters.json    the last {letters} dead letters
events.jsonl    the last {events} events of the journal, one a line
doctor.json     what `lanes doctor` found

{texts}
Names of hosts, users, providers and files are in it. Look through it before you give it away.
"""
WITHOUT = (
    "Texts, replies, keys, reasons given by people, and error texts of providers are left out or replaced by other"
    " names."
)
WITH = "Texts, replies, reasons and keys ARE in it (--texts)."


def write_bundle(file: Path, driver: Driver, config: Config | None, *, texts: bool) -> list[str]:
    """Write the archive with mode 0600; returns the names of its parts. Raises StorageError, OSError."""
    hide: Hide = (lambda value: value) if texts else Redaction()
    parts = {
        "README.txt": ABOUT.format(lanes=LANES, letters=LETTERS, events=EVENTS, texts=WITH if texts else WITHOUT),
        "about.json": _json(_about()),
        "schema.sql": schema_text(Path(driver.name)),
        "settings.json": _json(_settings(config, texts=texts)),
        **_rows(driver, hide),
        "doctor.json": _json(_checks(driver.call(examining.doctor), texts=texts)),
    }
    file.touch(mode=0o600, exist_ok=False)
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
    except BaseException:
        file.unlink()  # an incomplete archive could be taken for a complete one, and would block the next attempt
        raise
    return list(parts)


class Redaction:
    """Removes the texts of conversations from records, and replaces keys by pseudonyms."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)  # random for each bundle, so that keys cannot be guessed by trial

    def __call__(self, value: Any, *, theirs: bool = False) -> Any:
        """A redacted copy of a record. ``theirs``: its message was written by a provider or a runner."""
        if isinstance(value, list):
            return [self(inner, theirs=theirs) for inner in value]
        if not isinstance(value, dict):
            return value
        theirs = theirs or "provider" in value or value.get("cause") not in OURS
        return {name: self._field(name, inner, theirs) for name, inner in value.items()}

    def name_of(self, key: str) -> str:
        """The pseudonym of a key."""
        return "key-" + sha256(self._salt + key.encode()).hexdigest()[:10]

    def _field(self, name: str, value: Any, theirs: bool) -> Any:
        if value is None:
            return None
        if name in PRIVATE_FIELDS or (name == "message" and theirs) or (name == "reason" and value not in OUR_REASONS):
            return LEFT_OUT
        if isinstance(value, str) and value.startswith(WITH_REASON):
            return LEFT_OUT
        if name == "progress":
            return value.partition(" ")[0]  # the rest may be a command that an agent's model chose
        if name == "message":
            ours, sign, _ = value.partition(LAST_SIGN)
            return ours + (sign and f"{sign} {LEFT_OUT}")
        if name == "key":
            return self.name_of(value)
        return self(value, theirs=theirs)


def _rows(driver: Driver, hide: Hide) -> dict[str, str]:
    status = jsonable(driver.call(system.status))
    events = driver.call(system.events, limit=EVENTS)
    return {
        "status.json": _json(hide(status)),
        "owners.json": _json(hide(status["gateways"])),
        "lanes.json": _json(hide(jsonable(driver.call(queries.list_, limit=LANES).lanes))),
        "letters.json": _json(hide(jsonable(driver.call(messages.dead_letters, limit=LETTERS)))),
        "events.jsonl": "".join(json.dumps(hide(event.to_json())) + "\n" for event in events),
    }


def _settings(config: Config | None, *, texts: bool) -> list[Json]:
    settings = [] if config is None else jsonable(config.settings())
    if not texts:
        for setting in settings:
            if setting["name"].rpartition(".")[2] in PRIVATE_SETTINGS and setting["value"] is not None:
                setting["value"] = LEFT_OUT
    return settings


def _checks(checks: Iterable[Check], *, texts: bool) -> list[Json]:
    return [check.to_json() | ({} if texts else _redacted(check)) for check in checks]


def _redacted(check: Check) -> Json:
    if check.check in OWN_WORDS:
        return {}
    message = check.message.bare if isinstance(check.message, QuotingMessage) else LEFT_OUT
    return {"message": message, "fix": check.fix and LEFT_OUT}


def _about() -> Json:
    return {
        "lanes": lanes.__version__,
        "schema": versions.VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
