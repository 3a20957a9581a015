"""The shell command that is equivalent to an action of the dashboard."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from lanes.verbs import sending
from lanes.verbs.verb import Verb
from lanes_tui.sources.source import Source


def command_line(source: Source, verb: Verb[..., Any], chosen: Sequence[str], how: Mapping[str, Any]) -> str:
    """The command. ``chosen``: its name and the words that select the targets; ``how``: the parameters of the verb."""
    options: list[str] = []
    for name, value in how.items():
        param = verb.by_name[name]
        if value is None or value == param.default:
            continue
        flag = f"--{param.wire.replace('_', '-')}"
        options += [flag] if value is True else [flag, str(param.show(value))]
    options += [source.option, source.name]
    at = chosen.index("--") if "--" in chosen else len(chosen)  # nothing after it is read as an option
    return shlex.join(["lanes", *chosen[:at], *options, *chosen[at:]])


def first_send(source: Source) -> str:
    """The command that sends the first message."""
    return command_line(source, sending.send, ("send", "demo:1", "hello"), {})
