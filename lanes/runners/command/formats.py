"""The output formats of known programs, as rules. docs/agents.md has the recipes that go with them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lanes.config.declared.rules import Rule

#: The events of other programs, read by rules that the configuration holds.
JSONL = "jsonl"
#: The whole output of a program is its reply.
TEXT = "text"


class OutputFormat(NamedTuple):
    """The rules that find each thing in the events of a program.

    ``id`` is the program's own id of the conversation. ``text`` is a whole text of the agent, ``delta`` a piece of one;
    the last text is the reply, unless ``reply`` finds one. The run failed if ``final`` found nothing in any event, or
    ``error`` found something: its message. ``tool`` names what the agent does now. ``usage`` and ``cost`` are added up;
    ``usage_so_far`` and ``cost_so_far`` are those of the whole conversation, of which only the increase belongs to the
    run.

    ``waits`` finds events that only say that the program retries its failing provider, or that a tool is still running:
    they are no progress, as some programs write them forever. ``background`` finds the work that continues after the
    turn, in each event that reports it: when that work ends, the program begins another turn. ``futile`` finds steps
    without a result, which some programs repeat without a pause. ``reason`` finds the likely reason of a failure that
    is reported without one.
    """

    id: tuple[Rule, ...] = ()
    text: tuple[Rule, ...] = ()
    delta: tuple[Rule, ...] = ()
    reply: tuple[Rule, ...] = ()
    final: tuple[Rule, ...] = ()
    error: tuple[Rule, ...] = ()
    tool: tuple[Rule, ...] = ()
    usage: tuple[Rule, ...] = ()
    cost: tuple[Rule, ...] = ()
    usage_so_far: tuple[Rule, ...] = ()
    cost_so_far: tuple[Rule, ...] = ()
    waits: tuple[Rule, ...] = ()
    background: tuple[Rule, ...] = ()
    futile: tuple[Rule, ...] = ()
    reason: tuple[Rule, ...] = ()


def format_of(rules: Mapping[str, Sequence[str]]) -> OutputFormat:
    """A format from its rules as text. Raises ValueError."""
    return OutputFormat(**{name: tuple(map(Rule.read, texts)) for name, texts in rules.items()})


#: ``codex exec --json``. Its ``error`` events do not end the turn: it may continue after them, even forever (with a
#: provider that cannot be reached). It reports the usage of the whole conversation.
CODEX = {
    "id": ["/thread_id ? /type=thread.started"],
    "text": ["/item/text ? /type=item.completed /item/type=agent_message"],
    "final": ["/type ? /type=turn.completed"],
    "error": ["/error/message ? /type=turn.failed", "/type ? /type=turn.failed"],
    "tool": ["/item/command ? /type=item.started", "/item/type ? /type=item.started"],
    "usage_so_far": ["/usage ? /type=turn.completed"],
    "waits": ["/message ? /type=error"],
}

#: ``claude -p --output-format stream-json --verbose``, with or without ``--include-partial-messages``. A failure of the
#: API has the subtype "success", and only ``is_error`` shows it; before that, its text comes as a message of the model.
#: The usage is that of the run, the cost that of the whole conversation.
CLAUDE = {
    "id": ["/session_id ? /type=system /subtype=init"],
    "text": ["/message/content/*/text ? /type=assistant /message/model!=<synthetic>"],
    "delta": ["/event/delta/text ? /type=stream_event /event/delta/type=text_delta"],
    "reply": ["/result ? /type=result"],
    "final": ["/type ? /type=result"],
    "error": [f"/{each} ? /type=result /is_error=true" for each in ("result", "errors/0", "subtype")],
    "tool": ["/message/content/*/name ? /type=assistant"],
    "usage": ["/usage ? /type=result"],
    "cost_so_far": ["/total_cost_usd ? /type=result"],
    "waits": ["/error ? /type=system /subtype=api_retry", "/heartbeat ? /type=tool_progress"],
    "background": ["/tasks ? /type=system /subtype=background_tasks_changed"],
}

#: ``opencode run --format json``. After a stream that was cut it may exit with 0, so only a step that ended with "stop"
#: ends the turn; or it repeats the step at once and forever. Each attempt at a failing provider begins a step.
OPENCODE = {
    "id": ["/sessionID"],
    "text": ["/part/text ? /type=text"],
    "final": ["/type ? /type=step_finish /part/reason=stop"],
    "error": ["/error/data/message ? /type=error", "/error/message ? /type=error", "/error/name ? /type=error"],
    "tool": ["/part/tool ? /type=tool_use"],
    "usage": ["/part/tokens ? /type=step_finish"],
    "cost": ["/part/cost ? /type=step_finish"],
    "waits": ["/type ? /type=step_start"],
    "futile": ["/part/reason ? /type=step_finish /part/reason=unknown"],
}

#: ``gemini --output-format stream-json``. Its ``error`` events are warnings; the result tells whether it worked, but
#: not always why not. It may exit with 0 after a failure.
GEMINI = {
    "id": ["/session_id ? /type=init"],
    "delta": ["/content ? /type=message /role=assistant"],
    "final": ["/type ? /type=result"],
    "error": ["/error/message ? /type=result /status=error", "/status ? /type=result /status=error"],
    "tool": ["/tool_name ? /type=tool_use"],
    "usage": ["/stats ? /type=result"],
    "reason": ["/message ? /type=error"],
}

PRESETS = {"codex-json": CODEX, "claude-json": CLAUDE, "opencode-json": OPENCODE, "gemini-json": GEMINI}
