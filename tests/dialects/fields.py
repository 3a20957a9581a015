"""Every field of a request in each dialect: what becomes of it before a provider of another dialect.

A sample says something that does not hold anyway. ``table`` is in docs/providers.md, and ``python -m tests.dialects``
writes it there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lanes.dialects.model import Untranslatable
from lanes.dialects.table import DIALECTS

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {}}
USER = {"role": "user", "content": "hi"}
#: What lanes decides, whatever the client says of it.
DECIDED = frozenset({"model", "stream", "stream_options", "conversation"})
SAMPLES: dict[str, dict[str, Any]] = {
    "chat": {
        "audio": {"voice": "alloy", "format": "mp3"}, "frequency_penalty": 0.5, "function_call": "auto",
        "functions": [FUNCTION], "logit_bias": {"1": 2}, "logprobs": True, "max_completion_tokens": 9, "max_tokens": 9,
        "messages": [USER, {"role": "assistant", "content": "ho"}, USER], "metadata": {"a": "b", "c": "d"},
        "modalities": ["text", "audio"], "moderation": {"model": "m"}, "n": 1, "parallel_tool_calls": False,
        "prediction": {"type": "content", "content": "x"}, "presence_penalty": 0.5, "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit"}, "prompt_cache_retention": "24h", "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "safety_identifier": "s", "seed": 7, "service_tier": "flex", "stop": ["x"], "store": True, "temperature": 0.5,
        "tool_choice": "required", "tools": [{"type": "function", "function": FUNCTION}], "top_logprobs": 3,
        "top_p": 0.5, "user": "u", "verbosity": "low", "web_search_options": {"search_context_size": "low"},
    },
    "responses": {
        "access_programs": ["a"], "background": True, "background_options": {"a": 1},
        "context_management": [{"type": "compaction"}], "image": {"a": 1}, "include": ["file_search_call.results"],
        "input": [USER, {"role": "assistant", "content": "ho"}, USER], "instructions": "Be brief.",
        "max_output_tokens": 9, "max_tool_calls": 3, "metadata": {"a": "b", "c": "d"}, "moderation": {"model": "m"},
        "parallel_tool_calls": False, "previous_response_id": "resp_1", "prompt": {"id": "p"}, "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit"}, "prompt_cache_retention": "24h", "reasoning": {"effort": "low"},
        "safety_identifier": "s", "service_tier": "flex", "store": True, "temperature": 0.5,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}, "tool_choice": "required",
        "tools": [{"type": "function", **FUNCTION}], "top_logprobs": 3, "top_p": 0.5, "truncation": "auto", "user": "u",
    },
    "messages": {
        "cache_control": {"type": "ephemeral"}, "container": "c", "diagnostics": {"a": 1}, "inference_geo": "us",
        "max_tokens": 9, "mcp_servers": [{"name": "x"}],
        "messages": [USER, {"role": "assistant", "content": "ho"}, USER],
        "metadata": {"user_id": "u"}, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "output_format": {"type": "json_schema", "schema": SCHEMA}, "service_tier": "standard_only", "speed": "fast",
        "stop_sequences": ["x"], "system": "Be brief.", "temperature": 0.5, "thinking": {"type": "adaptive"},
        "tool_choice": {"type": "any"}, "tools": [{"name": "f", "input_schema": {"type": "object"}}], "top_k": 5,
        "thread": {"type": "create"}, "top_p": 0.5, "user_profile_id": "u", "workspace_id": "w",
    },
}  # fmt: skip
_LEAST: dict[str, dict[str, Any]] = {
    "chat": {"messages": [USER]}, "responses": {"input": "hi"}, "messages": {"messages": [USER], "max_tokens": 1}
}  # fmt: skip


def table(dialect: str) -> str:
    """The fields of a dialect, and what becomes of each before providers of the other two."""
    others = [name for name in DIALECTS if name != dialect]
    lines = [f"| field of `{dialect}` | `{others[0]}` | `{others[1]}` |", "|---|---|---|"]
    for field in SAMPLES[dialect]:
        told = (_outcome(dialect, other, field) for other in others)
        lines.append(f"| `{field}` | {' | '.join(told)} |")
    return "".join(f"{line}\n" for line in lines)


def written(page: str) -> str:
    """The page with the tables in their places."""
    for dialect in SAMPLES:
        before, begin, rest = page.partition(f"<!-- fields: {dialect} -->\n")
        _, end, after = rest.partition(f"<!-- end of fields: {dialect} -->\n")
        assert end, f"the page has no place for the fields of {dialect}"
        page = f"{before}{begin}{table(dialect)}{end}{after}"
    return page


def _outcome(dialect: str, other: str, field: str) -> str:
    least = _LEAST[dialect]
    request = {name: value for name, value in least.items() if name != field} | {field: SAMPLES[dialect][field]}
    try:
        DIALECTS[dialect].check(least | request)
        made = DIALECTS[other].write(DIALECTS[dialect].read(request), 8192)
    except Untranslatable:
        return "refused"
    before = DIALECTS[other].write(DIALECTS[dialect].read(least), 8192)
    changed = ", ".join(f"`{path}`" for path in _changed(before, made))
    return changed or "left out"


def _changed(before: dict[str, Any], made: dict[str, Any]) -> Iterator[str]:
    """Where a request says something else: its fields, and those of an object that has one."""
    for name, value in made.items():
        if before.get(name) == value:
            continue
        within = [*value] if isinstance(value, dict) else []
        yield f"{name}.{within[0]}" if len(within) == 1 else name
