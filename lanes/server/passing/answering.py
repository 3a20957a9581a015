"""Passes a request on to its provider, and the answer back. A request that asks a model is a run of its lane."""

import asyncio
import contextlib
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from lanes.base.errors import Draining, QueueFull
from lanes.config.declared.model import ProviderConfig, SourceConfig
from lanes.dialects.chat import CHAT
from lanes.dialects.dialect import Dialect
from lanes.dialects.table import envelope_at
from lanes.records import Message
from lanes.records.problems import Problem
from lanes.runners.http.failures import AttemptFailed, NoDescriptor
from lanes.runners.passing.exchange import Exchange, PassedRequest
from lanes.runners.passing.headers import outgoing, outgoing_query
from lanes.runners.passing.relay import relay
from lanes.runners.passing.runner import PassingRunner
from lanes.server.asgi.errors import HttpProblem, render
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import TextResponse
from lanes.server.passing.endings import (
    LIMITS,
    REPEATED_TEXT,
    SILENT_TEXT,
    UNREACHED_TEXT,
    as_answer,
    ended,
    ended_problem,
    last_event,
)
from lanes.server.passing.naming import LONGEST
from lanes.server.passing.outline import Outline, outline_of
from lanes.server.passing.places import BASE, SourcePlace
from lanes.server.state.cancellation import ClientDisconnected, ServerClosing, until_disconnected
from lanes.server.state.clients import Leave
from lanes.verbs.kinds import NEW_KEY
from lanes.verbs.passing import pass_on
from lanes_storage.law import Cause, MessageState
from lanes_storage.records import Repeated

#: The longest time of a request that is no run (s): lists of models, counts of tokens, probes.
BESIDE_S = 600.0
MESSAGES_KEY = "x-api-key"


async def passed(call: HttpRequest, place: SourcePlace) -> ASGIApp:
    """Pass one request on. Raises HttpProblem before anything is stored."""
    place.check(call.method)
    source, dialect = place.source, place.dialect(call.method)
    body = await call.raw_body(source.max_body_bytes)
    if dialect is None:
        request = _request(call, place, body, CHAT, streamed=False)
        return _DirectResponse(call, place, _runner(call, source), Exchange(request))
    outline = await outline_of(body, call.headers, source)
    exchange = Exchange(_request(call, place, body, dialect, streamed=outline.streamed))
    del body  # the exchange drops its own reference once it is sent; the answer may take an hour
    runner, (key, anonymous) = _runner(call, source), _key(call, source, outline)
    with contextlib.ExitStack() as refused:
        leave = call.app_state.clients.come(key, None)
        refused.callback(leave)
        if call.gateway.draining is not None:
            raise Draining(key)
        passing = pass_on(
            call.desk.context(f"{source.name}@{call.actor.rpartition('@')[2]}"),
            key,
            request=outline.stored(),
            source=source.name,
            owner=call.gateway.owner_id,
            anonymous=anonymous,
            concurrency=call.app_state.config.concurrency(key, source),
        )
        try:
            came: Message | Repeated = await call.desk.perform(passing)
        except QueueFull:
            return render(ended(Cause.OVERFLOW, "too many requests of this session are waiting"), dialect.envelope)
        if isinstance(came, Repeated):
            text = source.abort_text if came.cause == Cause.ABORTED else REPEATED_TEXT
            return render(ended("asked_again", text), dialect.envelope)
        refused.pop_all()
    call.stored()
    runner.expect(came.id, exchange)
    return _RunResponse(call, leave, runner, exchange, came, outline, dialect)


def _request(call: HttpRequest, place: SourcePlace, body: bytes, dialect: Dialect, *, streamed: bool) -> PassedRequest:
    header = MESSAGES_KEY if place.path.startswith(f"{BASE}/messages") else dialect.key
    followed = place.dialect(call.method) is not None
    headers = outgoing(call.raw_headers, place.source, place.carried, header, followed=followed)
    return PassedRequest(
        call.method, place.url(outgoing_query(call.raw_query, place.source)), body, headers, dialect.name, streamed
    )


def _runner(call: HttpRequest, source: SourceConfig) -> PassingRunner:
    runner = call.gateway.specs[source.name].run
    assert isinstance(runner, PassingRunner)
    return runner


def _key(call: HttpRequest, source: SourceConfig, outline: Outline) -> tuple[str, bool]:
    """The session key, and whether it is anonymous. Raises InvalidKey, HttpProblem."""
    named = call.session_header
    if named is not None:
        if len(name := NEW_KEY.check(named, "X-Lanes-Session")) > LONGEST:  # not cut: two sessions would share a lane
            raise HttpProblem(400, "invalid_key", f"X-Lanes-Session may have at most {LONGEST} characters here")
        return f"{source.name}:{name}", False
    if outline.session is not None:
        return f"{source.name}:{outline.session}", False
    return f"{source.name}:anonymous:{outline.digest}", True  # so that a repeated request is recognised


@dataclass(frozen=True, slots=True)
class _RunResponse:
    """The response to a request that is a run. The run writes to the connection; this waits for the run and ends the
    response."""

    call: HttpRequest
    leave: Leave
    runner: PassingRunner
    exchange: Exchange
    message: Message
    outline: Outline
    dialect: Dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.exchange.connect(send)
        message: Message | None = None
        try:
            with until_disconnected(receive) as cut, self.call.app_state.while_open(cut):
                message = await self.call.desk.wait(self.message)
        except ServerClosing:
            pass
        except BaseException as error:
            self.exchange.close()
            await asyncio.shield(self.call.desk.client_gone(self.message.id))  # a message ends with its client
            if isinstance(error, ClientDisconnected):
                return
            raise
        finally:
            self.exchange.close()
            self.runner.forget(self.message.id)
            self.leave()
        await self._end(message, scope, receive, send)

    async def _end(self, message: Message | None, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self.exchange
        failure = None if message is None else message.error
        theirs = failure is None or failure.cause in (Cause.PROVIDER_FAILED, Cause.RUNNER_FAILED)
        if exchange.whole and message is not None and theirs:
            await send({"type": "http.response.body", "body": b"".join(exchange.rest)})
            return
        if exchange.broken:
            return  # as the provider did: the connection is cut
        problem = ended_problem(message, self.runner.source)
        if not exchange.started:
            await self._refused(message, problem)(scope, receive, send)
            return
        follower = exchange.follower
        if follower is None or exchange.sized or not follower.plain:
            return  # nothing can be added to such an answer: the connection is cut
        event = last_event(self.message, self.outline, self.dialect, problem, follower)
        await send({"type": "http.response.body", "body": event})

    def _refused(self, message: Message | None, problem: Problem) -> TextResponse:
        source, aborted = self.runner.source, message is not None and message.state is MessageState.ABORTED
        if aborted and source.answers_aborts:
            return as_answer(self.message, self.outline, self.dialect, source.abort_text)
        return render(problem, self.dialect.envelope)


@dataclass(frozen=True, slots=True)
class _DirectResponse:
    """The response to a request that asks no model: it holds no lane."""

    call: HttpRequest
    place: SourcePlace
    runner: PassingRunner
    exchange: Exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self.exchange
        exchange.connect(send)
        problem = Problem(502, "unreachable", UNREACHED_TEXT)
        try:
            with until_disconnected(receive) as cut, self.call.app_state.while_open(cut):
                async with asyncio.timeout(BESIDE_S):
                    await relay(self.runner.client, self._limits(), exchange, _nothing, _nothing)
        except ServerClosing:
            problem = Problem(503, "stopped", "the gateway has stopped")
        except TimeoutError:
            problem = ended("run_timeout", SILENT_TEXT)
        except AttemptFailed as failure:
            if failure.cause in LIMITS:
                problem = ended(failure.cause, SILENT_TEXT)
        except NoDescriptor:
            pass
        if exchange.whole:
            await send({"type": "http.response.body", "body": b"".join(exchange.rest)})
        elif not exchange.started:
            await render(problem, envelope_at(self.place.path) or CHAT.envelope)(scope, receive, send)

    def _limits(self) -> ProviderConfig:
        limits = self.exchange.limits(self.runner.source.provider)
        assert limits is not None
        return limits


def _nothing(*_: object) -> None:
    """Nobody watches a request that holds no lane."""
