"""``lanes dashboard --serve``: starts the server with the options of the command."""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator

from lanes.base.errors import ConfigError
from lanes.base.terminal import is_terminal
from lanes.commands.common.session import Session
from lanes_tui.web.server import WebServer, listen, serve

PORT = 8767


def serve_dashboard(session: Session, *, port: int, writes: bool, plain: bool | None) -> None:
    """Serve until a signal. Raises ConfigError: without a token or the extra ``web``, or the port is in use."""
    token, sentence = _token(session)
    listener = listen(port)
    with listener:
        how = [*([] if writes else ["--read-only"]), *([] if plain is None else ["--ascii" if plain else "--unicode"])]
        server = WebServer(listener, token, [*_arguments(session), *how], writes=writes)
        mode = "and WRITES" if writes else "read-only"

        def on_ready() -> None:
            source = session.url or session.database()
            session.out.talk(f"the dashboard of {source} is at {server.url} ({mode}); {sentence}. Ctrl-C ends it")

        asyncio.run(serve(server, on_ready))


def _token(session: Session) -> tuple[str, str]:
    """The token, and a sentence about it: that of the environment or the configuration, else a new one."""
    if token := os.environ.get("LANES_TOKEN", "").strip():
        return token, "its token is the one in LANES_TOKEN"
    config = session.configured()
    if config is not None and config.gateway.token:
        return config.gateway.token, f"its token is the one of the gateway ({config.gateway.token_name})"
    if not is_terminal(sys.stderr):  # a log, which others may read
        raise ConfigError("a dashboard in a browser needs a token: set LANES_TOKEN, or start it on a terminal")
    token = secrets.token_urlsafe(24)
    return token, f"its token is {token}"


def _arguments(session: Session) -> Iterator[str]:
    """The arguments of the process of a tab, which shows the source of this command."""
    if session.config_path is not None:
        yield from ("--config", str(session.config_path.absolute()))
    yield from ("--db", session.database()) if session.url is None else ("--url", session.url)
    yield from ("dashboard", "--in-tab")
