"""The session of one command: its global options, and access to the configuration and database that they name."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import click

from lanes.commands.output.printing import Output

if TYPE_CHECKING:
    from lanes.config import Config
    from lanes.context import Context
    from lanes.drivers.client import GatewayClient
    from lanes.drivers.driver import Driver
    from lanes.records import Message
    from lanes.verbs.verb import Verb
    from lanes_storage.interface import Store


NO_GATEWAY = "no gateway lives here: it waits until one starts ({start})"
DRAINED = "every living gateway is draining and claims nothing new: it waits until one is started again"


class Session:
    """The global options. Nothing is read or opened before a command needs it."""

    def __init__(self) -> None:
        self.named_database: str | None = None
        self.named_url: str | None = None
        self.named_config: str | None = None
        self.json = False
        self._output: Output | None = None
        self._config: Config | None = None
        self._messages_shown: set[str] = set()
        self._found: str | None = None

    @property
    def out(self) -> Output:
        """Where results and talk go."""
        if self._output is None:
            self._output = Output(json=self.json)
        return self._output

    @property
    def config_path(self) -> Path | None:
        """The configuration file that was named by an option. Raises ConfigError."""
        if self.named_config == "":  # as a path it would be this folder
            from lanes.base.errors import ConfigError

            raise ConfigError("--config is empty: name a file")
        return None if self.named_config is None else Path(self.named_config)

    def config(self, *, quietly: bool = False, **flags: object) -> "Config":
        """The configuration; ``flags`` are settings that options of the command set. Raises ConfigError.

        Says on stderr if the file was only found in this folder, unless ``quietly``: for a caller that does not use it
        yet.
        """
        from lanes.config import load

        settings = {name.replace("__", "."): value for name, value in flags.items() if value is not None}
        if self.named_database is not None:
            settings["database.url"] = self.named_database
        config = load(self.config_path, flags=settings)
        return config if quietly else self._used(config)

    def serving_config(self, **flags: object) -> "Config":
        """The configuration for a gateway, which runs code of the file only if a person named the file. Raises
        ConfigError."""
        from lanes.config.approval import refuse_found_code, remember
        from lanes.config.reading.access import other_owner

        config = self.config(quietly=False, **flags)
        named = self.config_path is not None or "LANES_CONFIG" in os.environ
        if not named and not config.found_here and config.source is not None:
            self.talk_once(f"using the configuration {config.source}")
        if config.source is not None and (owner := other_owner(config.source)) is not None:
            self.talk_once(f"{config.source} belongs to {owner}, who can change what this gateway runs")
        refuse_found_code(config)
        if self.config_path is not None:
            try:
                remember(config)
            except OSError as error:
                self.out.talk(f"cannot remember that this file was named, so name it each time: {error}")
        return config

    def configured(self) -> "Config | None":
        """The configuration; None if nothing is configured, so that a fast command need not import it."""
        config = self._configured_quietly()
        return None if config is None else self._used(config)

    def context(self, database: str = "", *, configured: "Callable[[], Config | None] | None" = None) -> "Context":
        """The context of this command's operations. ``configured``: a replacement for ``self.configured``."""
        from lanes.commands.common.actor import actor
        from lanes.context import Context

        return Context(actor(), configured=configured or self.configured, database=database)

    def database(self, *, serving: bool = False) -> str:
        """The database that a command acts on: flag, environment, file, the last gateway's, the default.

        Says on stderr if it is that of a living gateway or of the last one. ``serving``: for starting a gateway, which
        ignores other gateways. Raises ConfigError, and UsageError where a gateway elsewhere was named.
        """
        if self.named_url is not None:
            raise click.UsageError("this command acts on a database itself: use --db, not --url")
        if self.named_database is not None:
            return self.named_database
        if (named := os.environ.get("LANES_DB")) and "LANES_DATABASE_URL" not in os.environ:
            return named
        config = self._configured_quietly()
        if config is not None and config.database.url is not None:
            return self._used(config).database.url or ""
        if serving:
            from lanes.config.declared.places import default_database

            return str(default_database())
        return self._unnamed()

    @property
    def url(self) -> str | None:
        """The gateway elsewhere that the command acts on: flag, then environment; None: a database."""
        if self.named_url is not None and self.named_database is not None:
            raise click.UsageError("--db names a database, --url a gateway: give one of them")
        if self.named_url is not None or self.named_database is not None:
            return self.named_url
        url = os.environ.get("LANES_URL") or None
        if url is not None and os.environ.get("LANES_DB"):
            raise click.UsageError("LANES_DB names a database, LANES_URL a gateway: unset one, or say --db or --url")
        return url

    def how_to_start(self) -> str:
        """The command that starts a gateway where this command looked for one."""
        if self.url is not None:
            return "`lanes gateway` on its host"
        from lanes.commands.common.database import is_kept_to

        database = self.database()
        return self.context(database).how_to_start(lambda: is_kept_to(database))

    def print_accepted(self, desk: "Driver", message: "Message", sentence: str) -> None:
        """Print an accepted message and, if it waits, what keeps it from starting, such as that no gateway claims."""
        if message.ended_at is None and (alone := self.alone(desk, drained=True)) is not None:
            message = message.replace(held_up=" ".join(filter(None, (message.held_up, alone))))
        self.out.result(message, sentence)
        if message.held_up is not None:
            self.out.talk(message.held_up)

    def alone(self, desk: "Driver", *, drained: bool = False) -> str | None:
        """The sentence that no gateway claims anything now, with the remedy; None if one does, or it is not known.

        ``drained``: also if every living gateway is draining.
        """
        from lanes.commands.output.words import stopped
        from lanes.verbs.system import gateways

        found = desk.advise(gateways)
        if found is None:
            return None
        lives = [gateway for gateway in found if gateway.acts]
        if lives:
            return DRAINED if drained and all(gateway.draining for gateway in lives) else None
        halted = stopped(found)
        if halted:
            return f"no gateway claims anything now: {'; '.join(halted)}"
        return NO_GATEWAY.format(start=self.how_to_start())

    @contextmanager
    def desk(self, *, create: bool = False, opened: bool = True) -> Iterator["Driver"]:
        """The driver of the database, or of a gateway elsewhere. Raises StorageError and ConfigError.

        ``create`` makes a missing database. An older schema is not upgraded, since that would shut out the program that
        uses it. ``opened``: False for a verb that examines the file itself, whatever its state.
        """
        if self.url is not None:
            with self.remote(self.url) as remote:
                remote.noted = self._note
                yield remote
            return
        from lanes.drivers.local import LocalDriver
        from lanes_storage import open_store
        from lanes_storage.sqlite import path_of

        if not opened:
            named = cast("Store", SimpleNamespace(name=str(path_of(self.database()))))
            yield LocalDriver(named, self.context(named.name, configured=self.config))
            return
        store = open_store(self.database(), create=create, upgrade=False)
        try:
            local = LocalDriver(store, self.context(store.name))
            local.noted = self._note
            with store.interruptible():
                yield local
        finally:
            store.close()

    @contextmanager
    def remote(self, url: str) -> Iterator["Driver"]:
        """The driver of a gateway elsewhere. Raises ConfigError and GatewayUnreachable."""
        from lanes.drivers.remote import RemoteDriver

        client = self.client(url)
        try:
            yield RemoteDriver(client)
        finally:
            client.close()

    def client(self, url: str) -> "GatewayClient":
        """The HTTP client for a gateway elsewhere, with the token of the environment. Raises ConfigError."""
        from lanes.drivers.client import GatewayClient

        return GatewayClient(url, os.environ.get("LANES_TOKEN", "").strip() or None)

    def _note(self, verb: "Verb[..., Any]", params: Mapping[str, Any]) -> None:
        """Tell the output whether the command has changed something."""
        self.out.changed |= verb.changes and not params.get("dry_run")

    def _configured_quietly(self) -> "Config | None":
        if self._config is None and (self.config_path is not None or _config_about()):
            self._config = self.config(quietly=True)
        return self._config

    def _used(self, config: "Config") -> "Config":
        """The configuration, which is now used: say so if it was only found in the current folder."""
        if config.found_here:
            self.talk_once(f"using the configuration of this folder: {config.source}")
        return config

    def talk_once(self, message: str) -> None:
        """A message on stderr, once per command."""
        if message not in self._messages_shown:
            self._messages_shown.add(message)
            self.out.talk(message)

    def _unnamed(self) -> str:
        if self._found is None:
            from lanes.commands.common.database import unnamed

            found, sentence = unnamed()
            self._found = found.url
            if sentence:
                self.out.talk(sentence)
        return self._found


pass_session = click.make_pass_decorator(Session, ensure=True)


def _config_about() -> bool:
    from lanes.config.declared.places import found_config

    named = any(name in os.environ for name in ("LANES_CONFIG", "LANES_DATABASE_URL"))
    return named or found_config() is not None
