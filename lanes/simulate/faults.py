"""What the simulated provider can be asked to do, by the name of the model or by a word in the text."""

import re
from dataclasses import dataclass

#: Every name, with what its number means (None: it takes none) and what happens. Listed by ``/v1/models``.
FAULTS: dict[str, tuple[str | None, str]] = {
    "sim-ok": (None, "streams a short answer"),
    "sim-echo": (None, "answers with the text of the last user message"),
    "sim-slow": ("seconds", "answers in N seconds, with steady tokens"),
    "sim-hang": (None, "takes the request and never sends a byte"),
    "sim-stall": (None, "sends some tokens, then nothing"),
    "sim-drip": (None, "sends a token now and then, for ever"),
    "sim-cut": (None, "sends some tokens, then ends cleanly without the terminal event"),
    "sim-reset": (None, "sends some tokens, then resets the connection"),
    "sim-500": (None, "answers 500"),
    "sim-429": ("seconds", "answers 429 with Retry-After N"),
    "sim-recovers": ("times", "answers 500 N times to a conversation, then as sim-ok"),
    "sim-quota": (None, "answers 429, insufficient_quota"),
    "sim-server-error": (None, "sends an error event in the stream, before any token"),
    "sim-garbage": (None, "sends something that is not an event stream"),
    "sim-flaky": ("probability", "answers 500 with probability N (0.3, or 30 for per cent), else as sim-ok"),
    "sim-529": (None, "answers 529, overloaded"),
    "sim-403-input": (None, "answers 403 for what the text says; the credentials are good"),
    "sim-429-one-request": (None, "answers 429 for this one request, however often it comes"),
    "sim-context-overflow": (None, "answers 400: the conversation is too long for the model"),
    "sim-one-slot": (None, "answers one request at a time; others wait for their turn"),
    "sim-outage": ("seconds", "is not reachable for N seconds, once for each text, then answers"),
    "sim-reasoning": (None, "thinks, then answers"),
    "sim-tool": (None, "calls the first tool; once it has the result, it answers"),
    "sim-tools": (None, "calls two tools at once, then as sim-tool"),
    "sim-shell": (None, "runs the command in the text by the tool for that, then does what a second name says"),
    "sim-recall": (None, "answers with the texts of all user messages"),
    "sim-json": (None, "answers with JSON of the schema that is asked for"),
    "sim-refusal": (None, "refuses, as a model does"),
    "sim-length": (None, "ends at the limit of its length"),
    "sim-empty": (None, "answers with no text at all"),
    "sim-recite": (None, "answers with the whole conversation that it got, as JSON"),
    "sim-strict": (None, "the same, and answers 400 to an empty message, two of one side, or a call without result"),
    "sim-window": ("words", "as sim-recite, and answers 400 to a conversation of more than N words"),
}

_NUMBERED = re.compile(r"(sim-[a-z0-9-]+?)-(\d+(?:\.\d+)?)")
_OVERRIDE = re.compile(r"\[\[\s*(sim-[\w.-]+)\s*\]\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to play. ``number``: the one in its name (seconds, a probability …), 0 if it takes none."""

    name: str
    number: float = 0.0


def parse(name: str) -> Fault | None:
    """The fault of that name (``sim-429-30``), or None where there is none."""
    if name in FAULTS and FAULTS[name][0] is None:
        return Fault(name)
    numbered = _NUMBERED.fullmatch(name)
    if numbered and FAULTS.get(numbered[1], (None, ""))[0] is not None:
        return Fault(numbered[1], float(numbered[2]))
    return None


def chosen(model: str, text: str) -> tuple[str, str]:
    """The name of the fault, and the text without it: ``[[sim-…]]`` in the last paragraph overrides the model.

    Earlier paragraphs do not count: they may be earlier messages that got no answer, and are sent again.
    """
    found = _OVERRIDE.search(text, text.rstrip().rfind("\n\n") + 1)
    if found is None:
        return model, text
    return found[1], (text[: found.start()] + text[found.end() :]).strip()
