"""The driver of a remote gateway, over HTTP: the same records and errors as on a file."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lanes.base.errors import LanesError
from lanes.drivers import client
from lanes.drivers.client import GatewayClient, GatewayUnreachable
from lanes.records import Event, Status
from lanes.verbs import paging
from lanes.verbs.kinds import ONLY_PYTHON
from lanes.verbs.paging import Paging
from lanes.verbs.verb import Verb, WaitOverHttp
from lanes_storage.errors import StorageError

#: The timeout of verbs that read the whole database.
LONG_S = 120.0
#: The longest wait within one request; shorter than the timeout of the client.
WAIT_S = 2.0
#: The longest wait for an answer to ``advise``.
ADVICE_S = 1.0
#: The shortest pause between two polling requests.
REST_S = 0.05
#: The interval of checks for changes.
LOOK_EVERY_S = 0.5


class RemoteRequest(NamedTuple):
    """A request, without its destination."""

    path: str
    query: dict[str, Any]
    body: dict[str, Any] | None
    headers: dict[str, str]


def request_for(verb: Verb[..., Any], params: Mapping[str, Any]) -> RemoteRequest:
    """The request that calls a verb. Actor and policies are the gateway's."""
    values, query, headers = {}, {}, {}
    for name, value in params.items():
        param = verb.by_name[name]
        if value is None or value == param.default:
            continue
        if param.restriction is ONLY_PYTHON:
            raise TypeError(f"{verb.name}: {name} is not available at a remote gateway")
        if param.header is not None and param.header.alone:
            headers[param.header.name] = param.show(value)
        else:
            values[param.wire] = param.show(value)
    path = verb.path
    if "/lanes/{key}" in path:  # a proxy may alter some keys in a path
        path, query["key"] = path.replace("/lanes/{key}", "/lane"), values.pop("key")
    for name in [name for name in values if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", values.pop(name))
    if not verb.posted:
        return RemoteRequest(path, query | values, None, headers)
    if params.get("waiting_run") is not None:  # a cycle is refused at once; the waiting itself is a later call
        query["wait"] = "0"
    return RemoteRequest(path, query, values, headers)


def _answered_by(until: float | None) -> float | None:
    """The deadline for the next answer of a call that waits until ``until``."""
    return None if until is None else max(until, time.monotonic()) + client.PATIENCE_S


class _Pending(NamedTuple):
    """A call that waits: the parameters to poll with, the first record, and until when it waits."""

    again: Mapping[str, Any]
    first: Any
    until: float | None


class RemoteDriver:
    """Implements ``Driver``. ``wait_s``: the longest wait within one request."""

    def __init__(self, client: GatewayClient, wait_s: float = WAIT_S) -> None:
        self._client, self.name = client, client.url
        self._wait_s = wait_s
        self.noted: Callable[[Verb[..., Any], Mapping[str, Any]], object] = lambda *_: None
        self._newest: str | None = None
        self._is_gateway = False

    @property
    def watches(self) -> bool:
        return True  # only its gateway knows

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        ((_, result),) = self.call_each(verb, [params])
        if isinstance(result, LanesError):
            raise result
        return result

    def advise(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        with contextlib.suppress(LanesError, StorageError):
            return self._once(verb, verb.checked(params), time.monotonic() + ADVICE_S)
        return None

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        began, pending = time.monotonic(), {}
        for place, call_params in enumerate(params):
            try:
                each = verb.checked(call_params)
                waiting = verb.waiting if verb.waiting is not None and verb.waiting.waits(each) else None
                patience_ms = each.get(waiting.patience) if waiting else None
                until = None if patience_ms is None else began + patience_ms / 1000
                first = self._once(verb, {**each, **(waiting.first if waiting else {})}, _answered_by(until))
            except LanesError as error:
                yield place, error
                continue
            if waiting is None or waiting.ended(first):
                yield place, first
            else:
                pending[place] = _Pending(waiting.again(each, first), first, until)
        if verb.waiting is not None:
            yield from self._wait(verb, verb.waiting, pending, began)

    def _wait(
        self, verb: Verb[..., Any], waiting: WaitOverHttp, pending: dict[int, _Pending], began: float
    ) -> Iterator[tuple[int, Any | LanesError]]:
        """Poll each call in turn until it has ended or its time is over."""
        while pending:
            for place, (again, first, until) in list(pending.items()):
                sent_at = time.monotonic()
                left = self._wait_s if until is None else max(0.0, until - sent_at)
                patience_ms = round(1000 * min(left, self._wait_s / len(pending)))
                try:
                    last = self._ask(verb, {**again, waiting.patience: patience_ms}, _answered_by(until))
                except LanesError as error:
                    del pending[place]
                    yield place, error
                    continue
                now = time.monotonic()
                if waiting.ended(last) or (until is not None and now >= until):
                    del pending[place]
                    yield place, waiting.combined(first, last, now - began)
                else:  # pause even if the server does not wait
                    time.sleep(max(0.0, min(REST_S, patience_ms / 1000) - (now - sent_at)))

    def _once(self, verb: Verb[..., Any], params: Mapping[str, Any], until: float | None = None) -> Any:
        return self._ask(verb, params, until) if verb.paging is None else self._paged(verb, verb.paging, params, until)

    def _paged(self, verb: Verb[..., Any], how: Paging, params: Mapping[str, Any], until: float | None) -> Any:
        """Read a list page by page, up to the limit or to its end."""
        limit: int | None = params.get("limit")
        from_oldest = how.forward and params.get("after") is None
        last = limit if from_oldest else None  # the limit means the newest rows
        if last is not None and last <= paging.PAGE:
            return self._ask(verb, params, until)
        place: int | str | None = 0 if from_oldest else None
        rows, seen = list[Any](), {place}
        while True:
            most = paging.PAGE if limit is None or last is not None else min(paging.PAGE, limit - len(rows))
            page = self._ask(verb, {**params, **({} if place is None else {how.param: place}), "limit": most}, until)
            rows += how.rows(page)
            if last is not None:
                del rows[:-last]
            place = how.place(page)
            if place is None or (limit is not None and last is None and len(rows) >= limit):
                return how.whole(page, rows)
            if place in seen:  # a server that repeats its pages would be read for ever
                raise GatewayUnreachable(self.name, "it repeats its pages: is it a gateway of lanes?")
            seen.add(place)

    def _ask(self, verb: Verb[..., Any], params: Mapping[str, Any], until: float | None = None) -> Any:
        """Make one request, whose answer must be complete by ``until``."""
        path, query, body, headers = request_for(verb, params)
        patience_s = LONG_S if verb.about.slow else None
        if patience_s is not None:  # wait that long only for a server that answers at all
            self._client.knock()
        within_s = None if until is None else until - time.monotonic()
        if within_s is not None and within_s <= 0:  # earlier pages of the list took all of the time
            raise GatewayUnreachable(self.name, "no complete answer in time")
        form = self._client.ask(
            verb.method, path, query, body, headers, patience_s=patience_s, within_s=within_s, changes=verb.changes
        )
        answer = verb.result.read(form)
        if form == [] and not self._is_gateway:  # any server may answer []; a gateway also has a status
            Status.from_json(self._client.ask("GET", "/api/status"))
        self._is_gateway = True
        self.noted(verb, params)
        return answer

    def changed(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while True:
            newest = self._last_event()
            left = until - time.monotonic()
            if newest != self._newest or left <= 0:
                break
            time.sleep(min(LOOK_EVERY_S, left))
        before, self._newest = self._newest, newest
        return newest != before

    def _last_event(self) -> str:
        events = Event.all_from_json(self._client.ask("GET", "/api/events", {"limit": 1}))
        return str(events[-1].id) if events else "0"

    def close(self) -> None:
        self._client.close()
