"""The files of the page. They are read once at the start: no path of a request reaches the file system."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from lanes.base.errors import ConfigError

_PAGE = Path(__file__).with_name("page")
_FONT = "font/ttf"
_SCRIPT = "text/javascript"
_STYLE = "text/css"


class PageFile(NamedTuple):
    """A file and its media type."""

    content: bytes
    type: str


def page() -> str:
    """The page, with placeholders for its nonce, its WebSocket and its mode."""
    return (_PAGE / "index.html").read_text(encoding="utf-8")


def page_files() -> dict[str, PageFile]:
    """The files that the page loads, by name. Raises ConfigError where the extra ``web`` is not installed."""
    theirs = _terminal()
    return {
        "page.js": PageFile((_PAGE / "page.js").read_bytes(), _SCRIPT),
        "page.css": PageFile((_PAGE / "page.css").read_bytes(), _STYLE),
        "textual.js": PageFile((theirs / "js" / "textual.js").read_bytes(), _SCRIPT),
        "xterm.css": PageFile((theirs / "css" / "xterm.css").read_bytes(), _STYLE),
        "RobotoMono.ttf": PageFile((theirs / "fonts" / "RobotoMono-VariableFont_wght.ttf").read_bytes(), _FONT),
        "RobotoMono-Italic.ttf": PageFile(
            (theirs / "fonts" / "RobotoMono-Italic-VariableFont_wght.ttf").read_bytes(), _FONT
        ),
    }


def _terminal() -> Path:
    """The files of textual-serve: the terminal that runs in the browser, and its font."""
    found = importlib.util.find_spec("textual_serve")
    if found is None or found.origin is None:
        raise ConfigError("the dashboard in a browser needs the extra `web`: pip install 'session-lanes[web]'")
    return Path(found.origin).with_name("static")
