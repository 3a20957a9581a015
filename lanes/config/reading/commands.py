"""Reads and checks the settings of a runner's program and of its processes."""

from lanes.config.declared.model import CommandConfig, ProcessLimits
from lanes.config.declared.refusal import shown
from lanes.config.declared.rules import Rule
from lanes.config.declared.settings import JSON_RULES, OF_PROCESSES
from lanes.config.declared.templates import OF_ARGUMENTS, OF_FOLDER, places
from lanes.config.declared.values import Value
from lanes.config.reading.sections import ArrayElement, filled

JSONL = "jsonl"
STREAM_JSON, CLAUDE_JSON = "stream-json", "claude-json"
#: Places that other people fill: a word that begins with one becomes an option if their text begins with a dash.
OF_OTHERS = ("{key}", "{text}")


def command_of(row: ArrayElement) -> CommandConfig:
    """The program of a runner. Raises ConfigError."""
    _check_words(row)
    _check_folder(row)
    _check_rules(row)
    if row.get("input") == STREAM_JSON and row.get("output") != CLAUDE_JSON:
        value = row.values["input"]
        raise value.refused(f"{STREAM_JSON} needs to read what the program asks", f'set output = "{CLAUDE_JSON}"')
    return filled(
        CommandConfig,
        row.values,
        takes_stdin=row.get("input") != "argument",
        converses=row.get("input") == STREAM_JSON,
        limits=_limits(row),
        rules={name.removeprefix("json_"): row.get(name) for name in JSON_RULES if row.get(name)},
    )


def isolation_of(row: ArrayElement) -> ProcessLimits | None:
    """The limits of a Python runner's processes; None: its runs are in the gateway's process. Raises ConfigError."""
    if row.get("isolate") == "process":
        return _limits(row)
    for name in (*OF_PROCESSES, "env"):
        value = row.values[name]
        if value.explicit:
            raise value.refused("this setting needs a process for each run", 'leave it out, or add isolate = "process"')
    return None


def check_variables(row: ArrayElement) -> None:
    """Refuse a variable that is written with its value (``NAME=value``). Raises ConfigError."""
    env = row.values["env"]
    if any("=" in name for name in env.value):
        fix = "name the variables alone, and set them in the environment of the gateway"
        raise env.refused("secrets are named, never written", fix)


def _limits(row: ArrayElement) -> ProcessLimits:
    max_cpu_ms = row.get("max_cpu")
    max_cpu_s = None if max_cpu_ms is None else -(-max_cpu_ms // 1000)
    return ProcessLimits(row.get("user"), row.get("nice"), row.get("max_memory_bytes"), max_cpu_s)


def _check_words(row: ArrayElement) -> None:
    argv, resume = row.values["argv"], row.values["resume"]
    if not argv.value[0] or places(argv.value[0]):
        raise argv.refused("its first word is not a program", "write the name or path of a program")
    for vector in (argv, resume, row.values["wrap"]):
        for word in vector.value:
            for place in sorted(places(word)):
                if place not in OF_ARGUMENTS and f"{{{place}}}" == word:
                    raise vector.unknown(place, sorted(OF_ARGUMENTS))
            if word.startswith(OF_OTHERS) and "--" not in vector.value[: vector.value.index(word)]:
                problem = f"{shown(word)} may begin with a dash, and so be an option of the program"
                raise vector.refused(problem, f'write "--name={word}", or put "--" before it')
    if any("session" in places(word) for word in argv.value):
        raise argv.refused("a new conversation has no {session} yet", "use {session} in resume")
    if resume.value and not any("session" in places(word) for word in resume.value):
        raise resume.refused("it names no conversation", "add {session}")


def _check_folder(row: ArrayElement) -> None:
    cwd: Value = row.values["cwd"]
    if others := sorted(places(cwd.value) - OF_FOLDER):
        problem = f"{shown('{' + others[0] + '}')} may not be in a path: other people choose it, or it is unknown"
        raise cwd.refused(problem, "use {lane_id} or {run_id}")
    kept = row.values["keep_cwd"]
    if not kept.value and "run_id" not in places(cwd.value):
        raise kept.refused(
            "only a folder that belongs to one run can be thrown away", "add {run_id} to cwd, or leave this out"
        )


def _check_rules(row: ArrayElement) -> None:
    """Check that each rule can be parsed, and that ``jsonl`` has those for the text and the end of a turn."""
    for name in JSON_RULES:
        value = row.values[name]
        if value.value and row.get("output") != JSONL:
            raise value.refused("this setting cannot be used with this output", f'make the output "{JSONL}"')
        for text in value.value:
            try:
                Rule.read(text)
            except ValueError as error:
                raise value.refused(f"{shown(text)} is not a valid rule", str(error)) from None
    if row.get("output") == JSONL and not (row.get("json_final") and (row.get("json_text") or row.get("json_delta"))):
        problem = f'output "{JSONL}" needs json_final, and json_text or json_delta'
        raise row.refused(problem, "add the missing rules (see docs/agents.md)")
