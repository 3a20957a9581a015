"""The driver of a gateway elsewhere, over HTTP: the same records and errors as on a file."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lanes.commands.common.client import PATIENCE_S, GatewayClient
from lanes.errors import LanesError
from lanes.verbs.kinds import ONLY_PYTHON
from lanes.verbs.verb import Verb, Waiting

#: For what goes over the whole database, and takes its time.
LONG_S = 120.0
#: The longest that one answer may be waited for; shorter than the patience of the client.
WAIT_S = 2.0
#: The least between two questions about the same.
REST_S = 0.05


class Asked(NamedTuple):
    """A request: everything but whom it is sent to."""

    method: str
    path: str
    query: dict[str, Any]
    body: dict[str, Any]


def asked(verb: Verb[..., Any], params: Mapping[str, Any]) -> Asked:
    """The request that calls a verb. Who asks, and the policies, are for the gateway to say."""
    given = {verb.by_name[name]: value for name, value in params.items()}
    said = {param.wire: param.show(value) for param, value in given.items() if value is not None}
    local = [param.wire for param in given if param.given is ONLY_PYTHON and param.wire in said]
    if local:
        raise TypeError(f"{verb.name}: {local[0]} is not for a gateway elsewhere")
    path, query = verb.path, {}
    if "/lanes/{key}" in path:  # a key may hold what proxies do not keep in a path
        path, query = path.replace("/lanes/{key}", "/lane"), {"key": said.pop("key")}
    for name in [name for name in said if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", said.pop(name))
    return Asked(verb.method, path, query, said) if verb.changes else Asked(verb.method, path, query | said, {})


class _Pending(NamedTuple):
    """A call that waits: what was answered first, and until when it waits."""

    first: Any
    until: float | None


class RemoteDriver:
    """Implements ``Driver``. ``wait_s``: the longest that one answer is waited for."""

    def __init__(self, client: GatewayClient, wait_s: float = WAIT_S) -> None:
        self._client = client
        self._wait_s = wait_s

    @property
    def name(self) -> str:
        return self._client.url

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        ((_, came),) = self.call_each(verb, [params])
        if isinstance(came, LanesError):
            raise came
        return came

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        began, pending = time.monotonic(), {}
        for place, each in enumerate(params):
            waiting = verb.waiting if each.get("wait", True) else None
            try:
                first = self._ask(verb, {**each, **(waiting.first if waiting else {})})
            except LanesError as error:
                yield place, error
                continue
            if waiting is None or waiting.ended(first):
                yield place, first
            else:
                patience_ms = each.get("timeout")
                pending[place] = _Pending(first, None if patience_ms is None else began + patience_ms / 1000)
        if verb.waiting is not None:
            yield from self._wait(verb, verb.waiting, pending, began)

    def _wait(
        self, verb: Verb[..., Any], waiting: Waiting, pending: dict[int, _Pending], began: float
    ) -> Iterator[tuple[int, Any | LanesError]]:
        """Ask after each in turn, none for long, until it has ended or its time is over."""
        while pending:
            for place, (first, until) in list(pending.items()):
                asked_at = time.monotonic()
                left = self._wait_s if until is None else max(0.0, until - asked_at)
                patience_ms = round(1000 * min(left, self._wait_s / len(pending)))
                try:
                    last = self._ask(verb, {**waiting.again(first), "timeout": patience_ms})
                except LanesError as error:
                    del pending[place]
                    yield place, error
                    continue
                now = time.monotonic()
                if waiting.ended(last) or (until is not None and now >= until):
                    del pending[place]
                    yield place, waiting.told(first, last, now - began)
                else:  # whatever answers there, it is not asked without a pause
                    time.sleep(max(0.0, min(REST_S, patience_ms / 1000) - (now - asked_at)))

    def _ask(self, verb: Verb[..., Any], params: Mapping[str, Any]) -> Any:
        request = asked(verb, params)
        patience_s = LONG_S if verb.slow else PATIENCE_S
        if verb.changes:
            return verb.out.read(self._client.post(request.path, request.body, request.query, patience_s=patience_s))
        return verb.out.read(self._client.get(request.path, request.query, patience_s=patience_s))

    def close(self) -> None:
        self._client.close()
