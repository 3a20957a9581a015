"""Templates for an agent's argument vector and working folder, and its environment.

A place such as ``{text}`` stays within one argument, whatever fills it: there is no shell. The key of a lane, which
other people choose, is never part of a path.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

PLACE = re.compile(r"\{([a-z_]+)\}")
#: The places that a folder may have: numbers that lanes assigns.
OF_FOLDER = frozenset({"lane_id", "run_id"})
OF_ARGUMENTS = OF_FOLDER | {"key", "message_id", "text", "session", "cwd"}
#: The variables of the gateway's environment that every agent gets. None holds a provider's key.
BASE_ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TERM"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)


def places(template: str) -> set[str]:
    """The places that a template names."""
    return set(PLACE.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its places filled in one pass; other braces stay."""
    return PLACE.sub(lambda match: values.get(match[1], match[0]), template)


def arguments(template: Sequence[str], values: Mapping[str, str], text: str | None) -> list[str]:
    """An argument vector; ``text`` comes last, behind ``--``, so that it is never an option."""
    filled = [fill(each, values) for each in template]
    return filled if text is None else [*filled, "--", text]


def environment(variables: Mapping[str, str], listed: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of an agent: the base, what its runner lists, and what lanes adds."""
    names = (*BASE_ENVIRONMENT, *listed)
    return {name: variables[name] for name in names if name in variables} | dict(own)
