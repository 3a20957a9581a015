"""docs/commands.md: every command with its options, its JSON and its exit codes."""

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence

import click

from lanes.commands.common.app import OF_VERBS, grouped, lanes
from lanes.commands.common.exits import Exit, exit_of_kind
from lanes.commands.common.options import GLOBALS
from lanes.verbs import table
from tests.reference.forms import anchor, form_sections

INTRODUCTION = """\
# Commands

This page is written from the program by `python -m tests.reference`; a test holds it against the program.

Commands act on the database itself, so they work with the gateway alive, hung or dead, and wake a living one. With
`--url` (or `LANES_URL`) those that act on lanes act on a gateway elsewhere instead; its token is in `LANES_TOKEN`.
Where its certificate is of an authority of your own, `SSL_CERT_FILE` names the file of that.

- **Which database**: `--db`, then `LANES_DB`, then the configuration, then that of this user's living gateway, or that
  of the last gateway until a runner of one's own ever ran on the usual one (both are named on stderr), then `lanes.db`
  in the user's state directory. Only `up`, `gateway`, `watch`, `demo`, `send`, `db upgrade` and `db restore` make one;
  the others exit 69 and name the path that they tried. Only `up`, `gateway`, `watch`, `demo` and `db upgrade` upgrade
  an older one.
- **Output**: results on stdout, talk on stderr. On a terminal tables fit its width and have colour (`NO_COLOR` is
  obeyed), and a key or an event that has no room in its row stands whole below it; on a pipe they are plain, and each
  row is one line. Of a long text or reply a table has the beginning. Nothing that comes from data reaches either
  unescaped.
- **JSON**: `--json` prints one value, ASCII-escaped. What goes on (`--watch`, `--follow`) prints one value a line.
  Times are RFC 3339 in UTC, durations seconds, ids opaque texts.
- **Errors**: a sentence with what to do next, on stderr. With `--json` it is a line of JSON, the only ones there that
  begin with `{`, one for each lane or message that failed: `code` (a word for programs, where HTTP has that error the
  one of its problem document, with the other members of that: [HTTP](http.md)), `detail` (the sentence), `fix` (what to
  do next, or null) and `exit_code`. Other codes are `usage`, `configuration`, `database`, `gateway` (not reachable),
  `no_gateway` (none lives), `unreadable`, `unconfirmed`, `file`, `failed`, and of a message that was waited for its
  state. A lane that `abort` did not free, and what `doctor` found, stands in the result on stdout. A list
  of which only a part could be read is not closed there, so that nothing takes it for whole.
- **Keys**: any text of 1 to 512 characters without control characters. One that begins with a dash goes behind `--`:
  `lanes show -- -x`.
- **Durations**: `500ms`, `30s`, `5m`, `2h`, `14d`. **Globs**: `*`, `?`, `[abc]`, `[!abc]` over whole keys.
"""
EXIT_MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "usage: what was asked for cannot be meant",
    Exit.NOT_FOUND: "no such lane or message",
    Exit.NOTHING: "nothing to abort: nothing was running, or the lane had moved on",
    Exit.UNCONFIRMED: "not confirmed in time; the request remains",
    Exit.UNREACHABLE: "gateway or database not reachable",
    Exit.BUSY: "the lane is busy, or its queue is full; nothing was stored",
    Exit.CONFIG: "the configuration is refused",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}
SEVERAL = "For several lanes: the first that occurs of 69, 1, 5, 3; else 0 if any was freed or changed, else 4."
#: What ``--json`` prints: forms by name, or a sentence.
JSON = {
    "status": "[Status]",
    "list": "an array of [Lane]",
    "show": "[LaneDetail]",
    "why": "[Why]",
    "send": "[Message]: as accepted, or with `--wait` as it ended",
    "abort": "an array of [AbortResult]; with `--dry-run` of [Lane]",
    "messages": "an array of [Message]",
    "retry": "[Message], the new one; with `--filter` an array of them; with `--dry-run` [Counted]",
    "move": "[Message]",
    "conversation show": "[Conversation]",
    "conversation new": "[Acted]",
    "conversation export": "[ConversationExport], also without `--json`",
    "conversation import": "[Acted]",
    "drop": "[Message]; with `--filter` an array of them; with `--dry-run` [Counted]",
    "dead-letters": "an array of [Message]; with `--prune` an object with `pruned`, their number",
    "events": "an array of [Event]",
    "providers": "an array of [Provider]; with `reset` a [ProviderResetDone]",
    "drain": "an array of [OwnerDetail]; with `--dry-run` of [Cut]",
    "reconcile": "an array of [Finding]",
    "guard": "an object with `program`, `upstream`, `files`, and `state`, the result",
    "doctor": "an array of [Check]",
    "bundle": "an object: `file`, `bytes`, `parts`, `texts`",
    "config": "an array of [SettingValue]; with `--check` an object: `file`, `runners`, `problems`, `warnings`",
    "db upgrade": "an object: `database`, `from`, `to`",
    "db check": "an array of [Check]",
    "db compact": "an object: `database`, `before`, `after`, both in bytes",
    "db backup": "an object: `database`, `backup`, `bytes`",
    "db restore": "an object: `database`, `paused`, `epoch`, `kept`",
}
#: Exit codes besides 0, 2, 69, 78 and 130, which every command may have.
EXITS = {
    "show": (3,), "why": (3,), "messages": (3,), "events": (3,), "providers": (3,),
    "send": (1, 5, 75), "abort": (1, 3, 4, 5),
    "retry": (1, 3, 75), "drop": (1, 3), "move": (1, 3), "dead-letters": (1,), "drain": (5,),
    "doctor": (1,), "bundle": (1,),
    "conversation show": (3,), "conversation export": (3,), "conversation new": (1, 3),
    "conversation import": (1,),
    "db check": (1,), "db compact": (1,), "db backup": (1,), "db restore": (1,), "simulate provider": (1,),
    "up": (), "gateway": (),
}  # fmt: skip
#: The rest is in the table of verbs.
for verb in (table()[name] for name in OF_VERBS):
    form = verb.result.name
    JSON.setdefault(verb.name, f"an array of [{form}]" if verb.about.outcome_text or verb.result.many else f"[{form}]")
    EXITS.setdefault(verb.name, tuple(sorted({exit_of_kind(error) for error in verb.errors} - {Exit.USAGE})))
_FORM = re.compile(r"\[(\w+)\]")


def commands_page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _exit_table(), _global_options()]
    for title, names in grouped().items():
        parts += [f"## {title}", *(_command(*each) for name in names for each in _commands(name))]
    parts += ["## Forms\n\nWhat stands in JSON, on the command line and over HTTP alike.", *form_sections()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command by its words, those of groups and of other packages too."""
    for names in grouped().values():
        for name in names:
            yield from _commands(name)


def _commands(name: str) -> Iterator[tuple[str, click.Command]]:
    command = lanes.get_command(click.Context(lanes), name)
    assert command is not None
    if isinstance(command, click.Group):
        yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
    else:
        yield name, command


def options_of(command: click.Command) -> list[click.Option]:
    """The options of a command that are its own, and for people."""
    return [p for p in command.params if isinstance(p, click.Option) and p not in GLOBALS and not p.hidden]


def shown(option: click.Option) -> str:
    """An option as it is written: ``--match GLOB``."""
    if option.is_flag:
        return ", ".join(option.opts)
    metavar = option.make_metavar(click.Context(click.Command("lanes")))
    # A bar would end the cell of the table.
    metavar = "N" if metavar.endswith("RANGE") else metavar.strip("[]").replace("|", ", ")
    return f"{', '.join(option.opts)} {metavar}"


def _exit_table() -> str:
    rows = [f"| {code.value} | {EXIT_MEANINGS[code]} |" for code in Exit]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, "", SEVERAL])


def _global_options() -> str:
    return "\n".join(["## Options of every command", "", "Before or behind the command.", "", *_table(GLOBALS)])


def _command(name: str, command: click.Command) -> str:
    parts = [f"### lanes {name}", f"```text\n{_usage(name, command)}\n```", _prose(command)]
    own = options_of(command)
    if own:
        parts.append("\n".join(_table(own)))
    if name in JSON:
        parts.append("`--json`: " + _FORM.sub(lambda form: f"[{form[1]}](#{anchor(form[1])})", JSON[name]) + ".")
    if EXITS.get(name):
        parts.append(f"Exit codes besides 0, 2, 69, 78: {', '.join(map(str, EXITS[name]))}.")
    return "\n\n".join(parts)


def _usage(name: str, command: click.Command) -> str:
    # A command remembers the help option of the context that it was first asked in: it is to be the real one.
    parent = click.Context(lanes, info_name="lanes", **lanes.context_settings)
    context = click.Context(command, parent=parent, info_name=name)
    return " ".join([f"lanes {name}", *command.collect_usage_pieces(context)])


def _prose(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").replace("\b", "").split("\n\n")
    return "\n\n".join(wrapped(paragraph) for paragraph in paragraphs)


def wrapped(text: str) -> str:
    """A paragraph of a document."""
    return textwrap.fill(" ".join(text.split()), 118, break_on_hyphens=False, break_long_words=False)


def _table(options: Sequence[click.Option]) -> list[str]:
    rows = [f"| `{shown(option)}` | {_meaning(option)} |" for option in options]
    return ["| option | meaning |", "|---|---|", *rows]


def _meaning(option: click.Option) -> str:
    said = " ".join((option.help or "").split())
    return f"{said} [default: {option.default}]" if option.show_default else said
