"""Points hermes at lanes. Its file is YAML, of which this reads one block, by lines, and refuses the unusual."""

import re

from lanes.base.errors import ConfigError
from lanes.guard.jsontext import Edit
from lanes.guard.pointing import Pointing

_MODEL = re.compile(r"""^["']?model["']?[ \t]*:""", re.MULTILINE)
_DOCUMENT = re.compile(r"^(?:---|\.\.\.)", re.MULTILINE)
#: The lines below ``model:`` that are indented, empty, or comments.
_BLOCK = re.compile(r"^model:[ \t]*(?:#[^\n]*|\r)?\n((?:[ \t]+[^\n]*\n?|\r?\n|#[^\n]*\n?)*)", re.MULTILINE)
_LINE = re.compile(r"^([ \t]+)([^\s#][^\r\n]*)", re.MULTILINE)
_COMMENT = r"(?:[ \t]+(?:#.*)?)?"
#: A setting, or an item of a list, that ends on its line, or has the lines that are indented more.
_WHOLE = re.compile(
    r"""(?:-(?:[ \t]+|$))?(?:[\w.-]+:(?:[ \t]+|$))?"""
    r"""(?:"[^"\\]*"|'[^']*'|[|>][+-]?|\[[^][{}"'#]*\]|\{[^][{}"'#]*\}|[\w./~+-](?:[^:#]|:(?!\s)|(?<!\s)#)*)?"""
    + _COMMENT
)
_URL = re.compile(r"""base_url:[ \t]+(?P<quote>["']?)(?P<url>https?://[^\s"'#\\]+)(?P=quote)""" + _COMMENT)


def hermes(text: str, base: str) -> Pointing:
    """Raises ConfigError where its file is not exactly understood."""
    block = _BLOCK.search(text)
    if block is None or len(_MODEL.findall(text)) != 1 or _DOCUMENT.search(text, block.start()):
        raise _refused()
    lines = list(_LINE.finditer(text, block.start(1), block.end(1)))
    indent = lines[0][1] if lines else ""
    own = [line for line in lines if len(line[1]) <= len(indent)]
    if "\t" in indent or any(line[1] != indent or _WHOLE.fullmatch(line[2]) is None for line in own):
        raise _refused()
    settings = [line for line in own if line[2].startswith("base_url:")]
    value = _URL.fullmatch(text, settings[0].start(2), settings[0].end()) if len(settings) == 1 else None
    if value is None:
        raise _refused()
    return Pointing(value["url"].rstrip("/"), [Edit(*value.span("url"), base)])


def _refused() -> ConfigError:
    return ConfigError(
        "hermes has no model.base_url in its file, or its block `model:` is not one setting a line, which is what "
        "lanes changes; set it with `hermes config set model.base_url URL` first, or change it by hand"
    )
