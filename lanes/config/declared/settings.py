"""The table of all settings: section, kind, default and meaning of each.

Loading, environment overrides, listings and the documentation are derived from it.
"""

from functools import cache, partial

from lanes.config.declared.presets import PRESETS
from lanes.config.declared.setting import WATCHED, Kind, Setting
from lanes_storage.law import Mode, OnInterrupt, OnSurvivors, Overflow, PermittedBy


def _clock(name: str, default: str, meaning: str, *, least: int = 0, per_lane: bool = True) -> Setting:
    return Setting("clocks", name, Kind.DURATION, default, meaning, least=least, in_policy=per_lane)


def _limit(name: str, default: str, note: str, meaning: str) -> Setting:
    return Setting("clocks", name, Kind.LIMIT, default, meaning, default_note=note, least=10, in_policy=True)


_database = partial(Setting, "database")
_DATABASE = (
    _database("url", Kind.PATH, None,
              "the database: a path, or sqlite:///path; a relative path in a file starts at its folder",
              "that of the last gateway (see commands), else lanes.db in the user's state directory"),
    _database("synchronous", Kind.CHOICE, "full",
              "full: what was acknowledged survives a power cut; normal: it survives any crash of a process",
              choices=("full", "normal")),
)  # fmt: skip

_gateway = partial(Setting, "gateway")
_GATEWAY = (
    _gateway("host", Kind.TEXT, "127.0.0.1", "the address to listen on; beyond loopback needs a token"),
    _gateway("port", Kind.WHOLE, 8765, "the port to listen on; 0 takes a free one", most=65535),
    _gateway("token_env", Kind.NAME, "LANES_TOKEN", "the environment variable that holds the bearer token"),
    _gateway("token_file", Kind.PATH, None, "the file that holds the bearer token", "none"),
    _gateway("session_from", Kind.TEXTS, (), "what else of a /v1 request may name the lane; words as in a [[source]]"),
    _gateway("allowed_hosts", Kind.TEXTS, (),
             "names that the Host header may carry besides `host` and those of loopback"),
    _gateway("max_body_bytes", Kind.WHOLE, 8_388_608, "the largest request body, in bytes",
             least=1024, most=1_073_741_824),
)  # fmt: skip

_CLOCKS = (
    _clock("heartbeat_interval", "5s", "how often an owner names its live runs", least=10, per_lane=False),
    _clock("stale_after", "30s", "an owner silent for this long has lost its lanes", least=30, per_lane=False),
    _clock("reconcile_interval", "5s", "how often dead and silent owners are looked for", least=10),
    _limit("run_timeout", "5m", "5m; programs 60m", "hard limit of one run, from its claim"),
    _limit("stall_timeout", "2m", "2m; programs 15m", "how long a run may show no progress of any kind"),
    _clock("warn_held_after", "60s", "when a lane that is still held is warned about", least=1),
    _clock("warn_wait_after", "30s", "when a head that still waits is warned about", least=1),
    _clock("abort_grace", "10s", "from an abort request, or a deadline, to the forced release"),
    _clock("drain_timeout", "25s", "how long a graceful stop waits for its runs", per_lane=False),
    _clock("max_park", "10m", "how long a head may wait for a provider, over all its parks"),
    _clock("keep_messages", "14d", "how long finished messages are kept"),
    _clock("keep_events", "14d", "how long events are kept"),
    _clock("keep_conversations", "90d", "how long the turns of conversations are kept, from the end of each"),
)

_retry = partial(Setting, "retry")
_RETRY = (
    _retry("attempts", Kind.WHOLE, 3, "how many runs in all, the first one included", least=2, most=1_000),
    _retry("backoff", Kind.DURATION, "10s",
           "how long it waits before the second run; twice as long before each further one, but not beyond 10m",
           least=100),
    _retry("causes", Kind.TEXTS, None, "the causes, of the run or of an attempt at a provider",
           "those that may pass by themselves"),
    _retry("max_age", Kind.DURATION, "1h", "no further run begins later than this after its acceptance"),
)  # fmt: skip

_budget = partial(Setting, "budget")
_BUDGET = (
    _budget("runs", Kind.WHOLE, None, "how many runs", "no limit", least=1, most=10**12),
    _budget("tokens", Kind.WHOLE, None, "how many tokens, in and out", "no limit", least=1, most=10**15),
    _budget("cost", Kind.NUMBER, None, "how many US dollars", "no limit", most=10**9),
    _budget("per", Kind.DURATION, "1h", "within which time", least=60_000, most=31 * 86_400_000),
    _budget("action", Kind.CHOICE, "pause",
            "what then: its lane is paused until a part no longer counts, or what waits ends failed (over_budget)",
            choices=("pause", "reject")),
)  # fmt: skip

#: These settings may also stand in a policy.
_queue = partial(Setting, "queue", in_policy=True)
_QUEUE = (
    _queue("mode", Kind.CHOICE, "queue", "what becomes of input while its lane is busy",
           choices=tuple(Mode)),
    _queue("debounce", Kind.DURATION, "500ms",
           "in mode collect, how long texts have to be quiet before one run answers them together; at most 5s in all",
           most=5_000),
    _queue("cap", Kind.WHOLE, 20, "how many messages of one lane may wait", least=1, most=1_000_000),
    _queue("overflow", Kind.CHOICE, "reject", "what happens to the message that finds the queue full",
           choices=tuple(Overflow)),
    _queue("concurrency", Kind.WHOLE, 1,
           "how many requests of one session run at once, only of requests that carry their own history; one more waits"
           " behind the one with the fewest waiting, even if another one ends first",
           "1; that of a source for its lanes", least=1, most=1_000),
    _queue("permissions", Kind.CHOICE, "operator",
           "who may answer where a run asks for a permission: an operator, or also its sender by a message",
           choices=tuple(PermittedBy)),
    _queue("on_interrupt", Kind.CHOICE, None, "what becomes of the message of an interrupted run",
           "requeue; fail for programs, Python functions, and tools that the provider itself carries out",
           choices=tuple(OnInterrupt)),
    _queue("on_survivors", Kind.CHOICE, None, "whether a lane goes on while processes of its last run may live",
           "pause for programs", choices=tuple(OnSurvivors)),
    _queue("lane_budget", Kind.FIELDS, None, "what each lane may use by itself", "no limit", fields=_BUDGET),
    _queue("budget", Kind.FIELDS, None, "what the lanes that get it from this policy may use together", "no limit",
           fields=_BUDGET),
    _queue("max_wait", Kind.LIMIT, "off",
           "how long a message may wait for its run, from its acceptance; then it ends failed (expired)", least=10),
    _queue("max_per_minute", Kind.WHOLE, None,
           "how many messages a lane may get in a minute; one more pauses it, for a person to look", "no limit",
           least=1, most=1_000_000),
    _queue("priority", Kind.WHOLE, 0, "lanes with a higher number are run before all others that wait",
           least=-100, most=100),
    _queue("retry", Kind.FIELDS, None,
           "how a message is retried without a person, if its run failed, had no effect, and reached nobody",
           "none: it ends failed", fields=_RETRY),
    _queue("hold_while_retrying", Kind.FLAG, True,
           "whether what waits behind such a message waits for it too; if false, it lets the others pass"),
)  # fmt: skip

_hook = partial(Setting, "hooks")
_HOOKS = (
    _hook("before_run", Kind.TEXT, None, "called for each run that has claimed its lane, as module:function", "none"),
    _hook("after_run", Kind.TEXT, None, "called for each run once it has released its lane", "none"),
    _hook("notice", Kind.TEXT, None, "called for each message that fails, is aborted or is dropped", "none"),
    _hook("timeout", Kind.DURATION, "5s", "how long one call may take before it is cancelled", least=10),
)  # fmt: skip


_runner = partial(Setting, "runner")
#: Settings for some kinds of runners: those with processes, those that start a program, and those of one kind.
_of_process = partial(Setting, "runner", runner_kinds=("command", "acp", "python"))
_of_program = partial(Setting, "runner", runner_kinds=("command", "acp"))
_of_command = partial(Setting, "runner", runner_kinds=("command",))
_of_python = partial(Setting, "runner", runner_kinds=("python",))
_of_provider = partial(Setting, "runner", runner_kinds=("provider",))


#: The rules of ``output = "jsonl"``, each with the meaning of its setting.
JSON_RULES = {
    "json_id": "where the agent's id of the conversation is",
    "json_text": "where a whole text of the agent is; the last one is the reply",
    "json_delta": "where a piece of a text is",
    "json_reply": "where the reply is, if not in the last text",
    "json_final": "what only the event at the end of a turn has",
    "json_error": "what only a failed turn has; a text is its message",
    "json_tool": "where the name of a tool that begins is",
    "json_usage": "where the counts of tokens are",
    "json_cost": "where the cost in US dollars is",
    "json_waits": "what marks events that are not progress, such as another attempt at a failing provider",
}

_COMMAND = (
    _of_program("argv", Kind.WORDS, None, "the program and its arguments; places fill one argument each", "needed"),
    _of_command("resume", Kind.WORDS, (), "the same for a lane whose conversation the agent knows, with `{session}`"),
    _of_command("input", Kind.CHOICE, "stdin", "how it gets the text; argument: last, behind `--`; stream-json: as"
                " Claude takes it, with what people add while it works", choices=("stdin", "argument", "stream-json")),
    _of_command("output", Kind.CHOICE, "text", "what it writes",
                choices=("text", "jsonl", "codex-json", "claude-json", "opencode-json", "gemini-json")),
    _of_program("cwd", Kind.PATH, "work/{lane_id}", "its working folder, made where it is missing"),
    _of_program("keep_cwd", Kind.FLAG, True, "whether that stays after the run; else it needs `{run_id}`"),
    _of_program("worktree_of", Kind.PATH, None, "the git repository of which its folder is made a worktree", "none"),
    _of_process("env", Kind.TEXTS, (), "variables of the gateway that it gets besides the usual ones, such as its key;"
                " a Python function gets all of them but the secrets of lanes"),
    _of_program("wrap", Kind.WORDS, (), "a program and arguments that start it, such as a sandbox; with places"),
    _of_program("max_output_bytes", Kind.WHOLE, 16_777_216, "how much it may write", least=1024, most=1_073_741_824),
)  # fmt: skip
_JSONL = tuple(_of_command(name, Kind.TEXTS, (), meaning) for name, meaning in JSON_RULES.items())

#: Settings for the processes of runners: those that start programs, and Python runners with a process for each run.
_PROCESS = (
    _of_process("user", Kind.NAME, None, "the user of this system that its processes belong to; only root can set it",
                "that of the gateway"),
    _of_process("nice", Kind.WHOLE, 0, "how far it yields the processor to other programs", most=19),
    _of_process("max_memory_bytes", Kind.WHOLE, None, "the address space of each of its processes", "no limit",
                least=1_048_576, most=1 << 50),
    _of_process("max_cpu", Kind.DURATION, None, "the processor time of each of its processes", "no limit", least=1_000),
)  # fmt: skip
#: The names of the settings that need processes.
OF_PROCESSES = tuple(setting.name for setting in _PROCESS)

_RUNNER = (
    _runner("name", Kind.NAME, None, "what requests and policies call it", required=True),
    _runner("kind", Kind.CHOICE, None, "what does the work of a run", required=True,
            choices=("provider", "command", "acp", "python")),
    _runner("max_runs", Kind.WHOLE, None, "how many of its runs one gateway has at a time",
            "1000 for provider runners, 16 for others", least=1, most=100_000),
    _of_provider("providers", Kind.TEXTS, None, "the providers, tried in this order", "needed"),
    _of_provider("history", Kind.WHOLE, 20, "how many turns of the lane's conversation are sent along", most=1000),
    _of_provider("history_characters", Kind.WHOLE, 400_000, "how many characters these have at most",
                 most=1_000_000_000),
    _of_provider("history_tokens", Kind.WHOLE, None,
                 "how many tokens they have at most with the text, by the counts of the provider, else estimated",
                 "no limit", least=1, most=1_000_000_000),
    _of_provider("system", Kind.TEXT, None, "the system message of every text", "none"),
    _of_python("target", Kind.TEXT, None, "the callable, as module:function", "needed"),
    _of_python("isolate", Kind.CHOICE, "thread", "process: each run has a process, which can be killed;"
               " thread: an async function shares the event loop of the gateway, a plain one has a thread",
               choices=("thread", "process")),
    *_COMMAND,
    *_PROCESS,
    *_JSONL,
)  # fmt: skip

_price = partial(Setting, "price")
_PRICE = (
    _price("input", Kind.NUMBER, 0, "of a request", most=1_000_000),
    _price("output", Kind.NUMBER, 0, "of an answer", most=1_000_000),
    _price("cached", Kind.NUMBER, None, "of what the provider has in its cache of the request", "as input",
           most=1_000_000),
)  # fmt: skip

_provider = partial(Setting, "provider")
_PROVIDER = (
    _provider("name", Kind.NAME, None, "what runners, cooldowns and errors call it", required=True),
    _provider("dialect", Kind.CHOICE, "chat", "the API that it speaks", choices=("chat", "responses", "messages")),
    _provider("base_url", Kind.TEXT, None, "where its API starts, https://…/v1", required=True),
    _provider("model", Kind.TEXT, "*", "the model that is asked for; *: the client's, for sources only"),
    _provider("api_key", Kind.CHOICE, None, "client: each client of a source sends its own key", "none",
              choices=("client",)),
    _provider("api_key_env", Kind.NAME, None, "the environment variable that holds its key", "none"),
    _provider("api_key_file", Kind.PATH, None, "the file that holds its key", "none"),
    _provider("api_key_header", Kind.NAME, None, "the header that carries its key",
              "authorization, as a bearer; x-api-key for messages"),
    _provider("headers", Kind.TABLE, None, "further headers of each request", "none"),
    _provider("query", Kind.TABLE, None, "the query of each request", "none"),
    _provider("extra_body", Kind.OBJECT, None, "fields of the body of each request, whatever the client says", "none"),
    _provider("max_tokens", Kind.WHOLE, 8192,
              "the limit of an answer where its dialect needs one and the request names none",
              least=1, most=10_000_000),
    _provider("proxy", Kind.TEXT, None, "the HTTP proxy that it is reached through",
              "what HTTP_PROXY, HTTPS_PROXY or ALL_PROXY name; none for this machine"),
    _provider("ca_file", Kind.PATH, None,
              "the certificates that verify it, and an https:// proxy, instead of the usual ones",
              "those of certifi, SSL_CERT_FILE or SSL_CERT_DIR"),
    _provider("trace", Kind.FLAG, False,
              "whether requests name their lane and run (headers x-lanes-key and x-lanes-run)"),
    _provider("price", Kind.FIELDS, None, "the prices of its tokens, in US dollars per million", "unknown",
              fields=_PRICE),
    _provider("connect_timeout", Kind.DURATION, "10s", "for the connection; below stall_timeout", least=1),
    _provider("first_byte_timeout", Kind.DURATION, "45s", "for the first content of a reply; below stall_timeout",
              least=1),
    _provider("idle_timeout", Kind.DURATION, "45s", "between two pieces of a reply; below stall_timeout", least=1),
    _provider("max_requests", Kind.WHOLE, None,
              "how many requests may be in flight at once, of all gateways together; others wait for their turn",
              "no limit", least=1, most=100_000),
    _provider("max_cooldown", Kind.DURATION, "10m",
              "the longest cooldown before one request probes it, even if it asks for more", least=1_000),
)  # fmt: skip

_source = partial(Setting, "source")
_SOURCE = (
    _source("name", Kind.NAME, None, "the prefix of the names of its lanes, and a part of its address", required=True),
    _source("preset", Kind.CHOICE, "auto", "the program: how it names its sessions, and how long it waits",
            choices=tuple(PRESETS)),
    _source("provider", Kind.NAME, None, "the provider that gets its requests, unchanged", required=True),
    _source("token_env", Kind.NAME, None, "the environment variable that holds its token",
            "this or token_file is needed"),
    _source("token_file", Kind.PATH, None, "the file that holds its token", "none"),
    _source("session_from", Kind.TEXTS, None,
            "what names a session: prompt_cache_key, user, header:NAME, body:a.b, body:a.b:c, runtime:session",
            "that of the preset"),
    _source("run_timeout", Kind.LIMIT, None, "hard limit of one request", "60m", least=10),
    _source("stall_timeout", Kind.LIMIT, None, "how long a request may show no progress of any kind",
            "a minute more than the two below", least=10),
    _source("first_byte_timeout", Kind.DURATION, None, "for the first event of an answer",
            "that of the preset; 15m for a provider on this machine or its network", least=1),
    _source("idle_timeout", Kind.DURATION, None, "between two events of an answer",
            "that of the preset; 15m for a provider on this machine or its network", least=1),
    _source("concurrency", Kind.WHOLE, 16, "how many requests of one session run at once", least=1, most=1_000),
    _source("abort_text", Kind.TEXT, "This run was stopped.", "what the program is told about an abort"),
    _source("on_abort", Kind.CHOICE, "error",
            "answer: an aborted request that has no answer yet ends with abort_text as its answer",
            choices=("error", "answer")),
    _source("max_body_bytes", Kind.WHOLE, 67_108_864,
            "the largest request body, also unpacked, in bytes; it is in memory until it goes out, and takes up to"
            " three times as much while it is read",
            least=1024, most=1_073_741_824),
)  # fmt: skip

_policy = partial(Setting, "policy")
_POLICY = (
    _policy("match", Kind.TEXT, None, "the session keys that it is for, as a glob", required=True),
    _policy("runner", Kind.NAME, None, "the runner of these lanes", "the first runner"),
)  # fmt: skip

_watch = partial(Setting, "watch")
_WATCH = (
    _watch("name", Kind.NAME, None, "the prefix of the names of its lanes, as in openclaw:KEY", required=True),
    _watch("kind", Kind.CHOICE, "openclaw", "the program whose gateway it is", choices=tuple(WATCHED)),
    _watch("url", Kind.TEXT, None, "its address, such as ws://127.0.0.1:18789", required=True),
    _watch("token_env", Kind.NAME, None,
           "the environment variable that holds its token; OpenClaw's is used once, for pairing", "none"),
    _watch("token_file", Kind.PATH, None, "the file that holds its token", "none"),
    _watch("files", Kind.PATH, None, "its state folder, which is read while it hangs", "none"),
    _watch("warn_silent_after", Kind.LIMIT, "60s", "when a held lane without a sign of life is warned about",
           least=1_000),
    _watch("auto_abort_after", Kind.LIMIT, "off",
           "when a held lane without a sign of life is freed automatically", least=1_000),
)  # fmt: skip

_alert = partial(Setting, "alert")
_ALERT = (
    _alert("name", Kind.NAME, None, "what incidents and the log call it", required=True),
    _alert("on", Kind.TEXTS, None, "what it tells of", "everything",
           choices=("held", "silent", "waiting", "dead_letter", "provider_down", "gateway_down")),
    _alert("url_env", Kind.NAME, None, "the environment variable that holds the address of a webhook", "none"),
    _alert("url_file", Kind.PATH, None, "the file that holds it", "none"),
    _alert("format", Kind.CHOICE, "json", "what the webhook gets", choices=("json", "slack")),
    _alert("command", Kind.WORDS, (), "a program with its arguments; it gets JSON on its standard input"),
    _alert("match", Kind.TEXT, None, "the session keys that it is for, as a glob", "all"),
    _alert("after", Kind.DURATION, "5m", "how long a lane must be held, or its first message wait", least=1_000),
    _alert("timeout", Kind.DURATION, "10s", "how long one send may take", least=100, most=600_000),
)  # fmt: skip

#: Every setting, in the order in which it is listed.
SETTINGS = (
    *(*_DATABASE, *_GATEWAY, *_CLOCKS, *_QUEUE, *_HOOKS, *_RUNNER, *_PROVIDER, *_SOURCE, *_POLICY, *_WATCH),
    *_ALERT,
)


@cache
def settings_of(section: str) -> dict[str, Setting]:
    """The settings that may stand in a section, by name; for ``policy`` also those of other sections."""
    return {s.name: s for s in SETTINGS if s.section == section or (section == "policy" and s.in_policy)}
