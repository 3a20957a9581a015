"""docs/http.md: every route with its parameters and answers."""

from lanes import filters
from lanes.server import serve
from lanes.server.asgi import bodies, request
from lanes.server.asgi.routing import Route, RouteParam
from lanes.server.routes.table import ROUTES
from lanes.server.routes.verbs import MOST_CHARACTERS
from lanes.server.state import streaming
from lanes.verbs import kinds, queries
from lanes_storage.law import MAX_KEY
from tests.reference.commands import wrapped
from tests.reference.forms import kind_of

INTRODUCTION = """\
# HTTP

This page is written from the program by `python -m tests.reference`; a test holds it against the program. The same
as an OpenAPI document is at `GET /openapi.json`; [by example](http-examples.md) shows what to ask with `curl`.

A gateway listens on `127.0.0.1:8765` unless told otherwise; elsewhere only with a token. With a token configured,
every request but those for health carries `Authorization: Bearer …`. A POST is JSON
(`Content-Type: application/json`). A request with a foreign `Origin` is refused, token or not. It speaks HTTP/1.1: the
wish for another protocol (`Upgrade`) is ignored.

`{key}` is one percent-encoded segment, read from the raw path; where a proxy decodes slashes, `/api/lane…?key=` is
the same. A query under `/v1` is ignored: many clients send one (`?beta=true`, `?limit=1000`). Errors under
`/api` are problem documents (RFC 9457, `application/problem+json`), under `/v1` the envelope of the
[dialect](providers.md) of the route. A busy lane is never 409: a message waits, or is refused with 423 (mode
`reject`), 429 (queue full, with `Retry-After`) or 503 (draining).

No search delays others: it runs separately from the reads of the gateway itself, and ends when its client leaves.
What asks for more is refused with 400, `too_much`, and a sentence that names the limit:

| what | at most |
|---|---|
{limits}

Bodies of more than 64 KiB are read as long as they have 256 MiB together. The next one waits; where its turn
does not come within 30 s, it is refused with 503, `busy`.

## A request that waits

A request with `?wait=`, and a `/v1` request without `stream`, is answered once its message has ended. Until then no
byte comes: the status is known only then, and nothing can take back a status that was sent. Proxies and load balancers
end a connection that is silent for long, many after 60 s, and `/v1` then takes that for a client that has left. Where
one is in between:

- ask for a stream (`"stream": true`, or `Accept: text/event-stream`): a comment comes at least every {keepalive} s,
  also while the message waits in the queue; or
- wait for less than the proxy allows (`?wait=50`) and ask again (`GET /api/messages/{id}?wait=50`); or
- let a `/v1` request outlive its connection (`X-Lanes-Detach: true` and an `Idempotency-Key`): the same request again
  gets the same message; or
- raise the limit of the proxy (nginx: `proxy_read_timeout`) above `run_timeout` and the longest wait in the queue.

Between two requests a connection is kept for {kept} s, longer than proxies and clients usually keep theirs.

A message that was accepted and not answered is an error that is not to be sent again (`x-should-retry: false`):

| what happened | status | type under `/v1` |
|---|---|---|
| it was ended: aborted, by a newer message or a limit, with its client or gateway | 423 | `invalid_request_error` |
| every provider said that the request is at fault | 400 | the provider's, with its `param` and `code` |
| a provider failed | 502 | `server_error` |
| every provider cools (for a key, model or quota: 10 s at most); drained, detached | 503 | `server_error` |
| its runner failed, or its process died | 500 | `server_error` |

In a stream that has begun the same comes as an event with `error` in it. The types
are those of OpenAI; `/v1/messages` has Anthropic's (`api_error`, `overloaded_error` and so on).

## Pages

A list of messages is a page of at most `limit`, and of no more than have {characters} characters together, though never
of none; `before` the last of them is the next page. The list has ended where a page is empty.

A page of lanes goes on at its `next`: behind the place that its last lane had. A lane that moves across that place
before the next page is asked for comes twice, or not at all; each other one comes once, whatever moves beside it.
"""


def _limits() -> str:
    """The rows of what may be asked for, from the program."""
    rows = (
        ("time for one search", f"{request.SEARCH_S:g} s"),
        ("`keys` of a search", f"{queries.MOST_KEYS:,}"),
        ("`filter`", f"{filters.MOST_WORDS} words, {filters.MOST_CHARACTERS:,} characters"),
        ("`match`", f"{kinds.MOST_PATTERN:,} characters"),
        ("`part`", f"{MAX_KEY} characters"),
        ("query parameters", f"{request.MOST_PARAMETERS}"),
        ("values in a JSON body", f"{bodies.MOST_VALUES:,}"),
    )
    return "\n".join(f"| {what} | {most} |" for what, most in rows)


def http_page() -> str:
    """The whole page."""
    return "\n\n".join([_introduction(), *map(_section, ROUTES)]) + "\n"


def _introduction() -> str:
    said = INTRODUCTION.replace("{limits}", _limits()).replace("{characters}", f"{MOST_CHARACTERS:,}")
    said = said.replace("{kept}", f"{serve.KEEP_S}").replace("{keepalive}", f"{streaming.KEEPALIVE_S:g}")
    return said.strip()


def heading(route: Route) -> str:
    """How a route is named."""
    return f"{route.method} {route.path}"


def _section(route: Route) -> str:
    parts = [f"## `{heading(route)}`", wrapped((route.handler.__doc__ or "").replace("``", "`"))]
    params = [*(_param(param, "query") for param in route.query), *(_param(param, "header") for param in route.headers)]
    if route.body is not None:
        fields = route.body.get("properties", {})
        params += [f"| `{name}` | body | {kind_of(schema)} |" for name, schema in fields.items()]
    if params:
        parts.append("\n".join(["| name | in | |", "|---|---|---|", *params]))
    parts.append(_answers(route))
    return "\n\n".join(parts)


def _param(param: RouteParam, place: str) -> str:
    return f"| `{param.name}` | {place}{', repeatable' if param.many else ''} | {param.meaning} |"


def _answers(route: Route) -> str:
    told = [
        f"{status} {kind_of({'$ref': form} if isinstance(form, str) else form)}"
        for status, form in route.answers.items()
    ]
    if route.media is not None:
        told.append(f"`{route.media}`")
    problems = f" Problems: {', '.join(map(str, route.problems))}." if route.problems else ""
    return f"Answers: {'; '.join(told) or '200'}.{problems}"
