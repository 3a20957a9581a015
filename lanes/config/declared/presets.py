"""Presets for programs that use lanes as a source: how they name their sessions, and how long they wait.

The limits are those of the program itself or slightly less, so that lanes ends a request before the program gives up
and sends it again.
"""

import re
from typing import NamedTuple

RUN_TIMEOUT_MS = 60 * 60_000
#: How long a model on this machine or in its network may be silent: it may have to load first, and is slow.
LOCAL_SILENCE_MS = 15 * 60_000
#: By how much the stall timeout exceeds the longest silence.
STALL_MARGIN_MS = 60_000

#: Fields of a request that may name its session.
FIELDS = ("prompt_cache_key", "user")
#: The ``session=`` of a line ``Runtime: …`` in the instructions or the first message.
RUNTIME = "runtime:session"
HEADER = "header:"
BODY = "body:"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"[^.:\s]+(\.[^.:\s]+)*(:[^.:\s]+(\.[^.:\s]+)*)?")
#: Headers that never name a session: nanobot sends the id of a process, which many sessions share.
NEVER = frozenset({"x-session-affinity"})


class Preset(NamedTuple):
    """One program. ``silence_ms``: how long it waits for the first byte, and for the next one."""

    session_from: tuple[str, ...]
    silence_ms: int


_CLAUDE = ("header:x-claude-code-session-id", "body:metadata.user_id:session_id")
_CODEX = ("header:session-id", "header:session_id")
_OPENCODE = ("header:x-session-id",)
_OPENCLAW = (RUNTIME, "prompt_cache_key")

PRESETS = {
    "auto": Preset((*_CLAUDE, *_CODEX, *_OPENCODE, *_OPENCLAW), 290_000),
    "openclaw": Preset(_OPENCLAW, 120_000),
    "codex": Preset((*_CODEX, "prompt_cache_key"), 290_000),
    "claude": Preset(_CLAUDE, 590_000),
    "opencode": Preset((*_OPENCODE, "prompt_cache_key"), 290_000),
    "hermes": Preset((RUNTIME, "prompt_cache_key"), 175_000),
}


def naming_fault(word: str) -> str | None:
    """What is wrong with a word of ``session_from``: None if it is valid, empty if it is unknown."""
    if word.startswith(HEADER):
        name = word.removeprefix(HEADER)
        if name.lower() in NEVER:
            return "that header is the same for many sessions"
        return None if HEADER_NAME.fullmatch(name) else "that is not the name of a header"
    if word.startswith(BODY):
        return None if _PATH.fullmatch(word.removeprefix(BODY)) else "write body:a.b, or body:a.b:c for JSON in a text"
    return None if word in (*FIELDS, RUNTIME) else ""
