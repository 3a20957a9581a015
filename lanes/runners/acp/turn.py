"""One turn of an agent that speaks the Agent Client Protocol: its handshake, its session, its prompt, its questions."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from acp import PROTOCOL_VERSION, RequestError
from acp.connection import Connection
from acp.meta import AGENT_METHODS, CLIENT_METHODS
from acp.schema import (
    AgentCapabilities,
    AllowedOutcome,
    CancelNotification,
    DeniedOutcome,
    Implementation,
    InitializeRequest,
    InitializeResponse,
    LoadSessionRequest,
    LoadSessionResponse,
    NewSessionRequest,
    NewSessionResponse,
    PermissionOption,
    PromptRequest,
    PromptResponse,
    RequestPermissionRequest,
    RequestPermissionResponse,
    ResumeSessionRequest,
    ResumeSessionResponse,
    TextContentBlock,
    Usage,
)
from acp.utils import serialize_params
from pydantic import BaseModel, ValidationError

import lanes
from lanes.base.errors import RunFailed
from lanes.runners.acp.updates import AgentUpdates
from lanes.runners.acp.wire import AgentWire
from lanes.runners.base import Reply, RunContext
from lanes.runners.command.child import Child
from lanes.runners.command.memory import AgentLane
from lanes.runners.command.program import AgentProgram, Complaints
from lanes.runners.command.transcript import is_session, short
from lanes.runners.dialogue.permissions import may_it_use
from lanes_storage.logs import Log
from lanes_storage.threads import call_off, to_its_end

log = Log("lanes.acp")

#: How long an agent may take to end once its turn is over, in milliseconds: half of it until SIGKILL, a quarter until
#: SIGTERM.
LEAVE_MS = 8_000
#: How many seconds to wait for the answer to a request that the agent does not know: some never answer.
PING_S = 5.0
#: How many such requests to send at most: some sessions send updates without end.
MOST_PINGS = 3
#: The error code with which an agent asks for a login.
AUTH_REQUIRED = -32000
#: The stop reasons of turns without an answer, and the sentence for each.
NO_ANSWER = {
    "max_turn_requests": "it reached the limit of model requests in one turn",
    "refusal": "it refuses to continue",
    "cancelled": "it has cancelled the turn by itself",
}

Answer = TypeVar("Answer", bound=BaseModel)


class AcpTurn:
    """The conversation with one process, for one message. For the event loop."""

    def __init__(self, run: RunContext, child: Child, program: AgentProgram, lane: AgentLane) -> None:
        self._run = run
        self._child = child
        self._program = program
        self._lane = lane
        self._updates = AgentUpdates(run, lane.used)
        self._complaints = Complaints()
        self._session: str | None = None  # the one that was prompted
        self._permissions: set[asyncio.Future[bool]] = set()
        self._called_off = False

    @property
    def usage(self) -> dict[str, Any] | None:
        """What it has used so far."""
        return self._updates.usage.total()

    async def hold(self, cwd: str, grace_ms: int) -> Reply:
        """Talk with the agent until its turn is over and its tree has ended. Raises RunFailed.

        When cancelled, it asks the agent to stop, and raises once the agent has answered or its tree has ended.
        """
        child = self._child
        most, updates = self._program.config.max_output_bytes, self._updates
        self._wire = AgentWire(child, await child.input(), most, updates.handle, updates.signs.report)
        self._connection = Connection(self._serve, self._wire)
        body = asyncio.ensure_future(self._converse(cwd))
        complaints = asyncio.ensure_future(self._complaints.follow(child, most))
        either: set[asyncio.Future[Any]] = {body, child.ended}
        ended = asyncio.ensure_future(asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED))
        try:
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                if self._session is not None:  # before its prompt the agent does nothing
                    child.stop(grace_ms, grace_ms // 4)
                    self._call_off(self._session)
                    await to_its_end(ended)
                raise
            self._wire.end_input()
            child.stop(LEAVE_MS, LEAVE_MS // 4)
            await asyncio.wait({child.ended})  # awaited directly, it would be cancelled with this task
            await asyncio.wait({body, complaints}, timeout=1)
            return self._reply(body)
        finally:
            await call_off(body, complaints, ended)
            await self._connection.close()

    # ----------------------------------------------------------------------------- requests to the agent

    async def _converse(self, cwd: str) -> PromptResponse:
        """The whole turn. Raises RequestError, ConnectionError, ValidationError or RunFailed."""
        us = Implementation(name="lanes", version=lanes.__version__)
        hello = InitializeRequest(protocol_version=PROTOCOL_VERSION, client_info=us)
        agent = await self._request("initialize", hello, InitializeResponse)
        if agent.protocol_version != PROTOCOL_VERSION:
            mismatch = (
                f"{self._program.name} speaks version {agent.protocol_version} of ACP, lanes version {PROTOCOL_VERSION}"
            )
            raise RunFailed("agent_error", mismatch)
        session = await self._open(agent.agent_capabilities or AgentCapabilities(), cwd)
        self._wire.count_again()
        self._updates.session = self._session = session
        text = TextContentBlock(type="text", text=self._run.text.encode(errors="replace").decode())
        answer = await self._request("session_prompt", PromptRequest(session_id=session, prompt=[text]), PromptResponse)
        if answer.usage is not None:
            self._updates.usage.add(_counts(answer.usage))
        return answer

    async def _open(self, capabilities: AgentCapabilities, cwd: str) -> str:
        """Continue the session of the lane, or begin another one if the agent cannot; returns its id."""
        of_session = capabilities.session_capabilities
        resumes = of_session is not None and of_session.resume is not None
        kept, can_continue = self._lane.session, resumes or capabilities.load_session
        if kept is not None and not can_continue:
            self._program.begin_again(self._run, kept, "it cannot continue a session")
        elif kept is not None:
            try:
                if resumes:
                    resume = ResumeSessionRequest(session_id=kept, cwd=cwd, mcp_servers=[])
                    await self._request("session_resume", resume, ResumeSessionResponse)
                else:
                    load = LoadSessionRequest(session_id=kept, cwd=cwd, mcp_servers=[])
                    await self._request("session_load", load, LoadSessionResponse)
                    await self._until_replayed()
            except RequestError as error:
                if error.code == AUTH_REQUIRED:
                    raise  # any other error means that it cannot continue: many agents do not say why
                self._program.begin_again(self._run, kept, _detail(error))
            else:
                return kept
        created = await self._request("session_new", NewSessionRequest(cwd=cwd, mcp_servers=[]), NewSessionResponse)
        session: str = created.session_id
        if can_continue and is_session(session):  # now, so that a turn that is cut can be continued
            await self._program.keep(self._run, session, {})
        elif kept is not None:
            await self._program.keep(self._run, None, {})
        return session

    async def _request(self, name: str, request: BaseModel, answer: type[Answer]) -> Answer:
        method = AGENT_METHODS[name]
        self._run.progress(f"asked for {method}")
        return answer.model_validate(await self._connection.send_request(method, serialize_params(request)) or {})

    async def _until_replayed(self) -> None:
        """Wait until the agent has replayed a loaded session. Some begin only after they have answered the request to
        load it, and the replay would become part of the reply.

        Any answer, even one that a request is unknown, comes after what was written before it.
        """
        for _ in range(MOST_PINGS):
            count = self._updates.count
            answer = asyncio.ensure_future(self._connection.send_request("_lanes/ping", {}))
            await asyncio.wait({answer}, timeout=PING_S)
            await call_off(answer)
            if self._updates.count == count:
                return

    def _call_off(self, session: str) -> None:
        """Ask the agent to stop, and answer its open questions as cancelled."""
        self._called_off = True
        for permission in self._permissions:
            permission.cancel()
        params = serialize_params(CancelNotification(session_id=session))
        self._wire.send_nowait({"jsonrpc": "2.0", "method": AGENT_METHODS["session_cancel"], "params": params})

    # ----------------------------------------------------------------------------- requests of the agent

    async def _serve(self, method: str, params: Any, _: bool) -> RequestPermissionResponse:
        """Answer a request of the agent. lanes only decides permissions: it offers neither files nor a terminal."""
        if method != CLIENT_METHODS["session_request_permission"]:
            raise RequestError.method_not_found(short(method))
        try:
            request = RequestPermissionRequest.model_validate(params)
        except ValidationError:
            raise RequestError.invalid_params() from None
        return RequestPermissionResponse(outcome=await self._decide(request))

    async def _decide(self, request: RequestPermissionRequest) -> AllowedOutcome | DeniedOutcome:
        """Ask whether the agent may use a tool. No answer counts as no."""
        call = request.tool_call
        tool_input = call.raw_input
        if tool_input is None and call.content:
            tool_input = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in call.content]
        tool = call.title or self._updates.titles.get(call.tool_call_id) or call.kind or "a tool"
        permission = asyncio.ensure_future(self._run.permit(may_it_use(tool, tool_input)))
        self._permissions.add(permission)
        try:
            if self._called_off:
                permission.cancel()
            allowed = await permission
        except asyncio.CancelledError:
            if not self._called_off:
                raise
            return DeniedOutcome(outcome="cancelled")
        except Exception as error:
            log.warning("run %d of lane %a: its question could not be asked: %s", self._run.id, self._run.key, error)
            allowed = False
        finally:
            self._permissions.discard(permission)
            permission.cancel()
        chosen = _option(request.options, "allow" if allowed else "reject")
        if chosen is None:
            return DeniedOutcome(outcome="cancelled")
        return AllowedOutcome(outcome="selected", option_id=chosen.option_id)

    # ----------------------------------------------------------------------------------- end of the turn

    def _reply(self, body: "asyncio.Task[PromptResponse]") -> Reply:
        """The reply of a turn whose tree has ended. Raises RunFailed."""
        failed = self._program.failed
        self._program.check(self._child)
        try:
            answer = body.result() if body.done() else None
        except RequestError as error:
            login = "it needs a login by its own command: " if error.code == AUTH_REQUIRED else ""
            raise failed("agent_error", f": {login}{_detail(error)}") from error
        except ValidationError as error:
            wrong = f": one of its answers is not valid ACP ({error.title}: {error.errors()[0]['msg']})"
            raise failed("agent_error", wrong) from error
        except ConnectionError:
            answer = None
        if answer is None:
            raise self._cut()
        if answer.stop_reason in NO_ANSWER:
            raise failed("agent_error", f": {NO_ANSWER[answer.stop_reason]}")
        ended = "length" if answer.stop_reason == "max_tokens" else "stop"
        return Reply(self._updates.texts.last, ended, usage=self.usage, provider=self._program.runner)

    def _cut(self) -> RunFailed:
        """The failure of a turn whose output ended before its answer."""
        if self._child.exit == 0:
            return self._program.failed("no_final_event", " ended without an answer: its output was cut")
        return self._program.exited(self._child, self._complaints.text)

    async def keep_usage(self) -> None:
        """Store what the session has used so far, if the agent reports it."""
        if self._session is not None and self._updates.usage.so_far:
            await self._program.keep(self._run, self._session, self._updates.usage.so_far)


def _option(options: list[PermissionOption], verb: str) -> PermissionOption | None:
    """The option to allow or reject only this once; if there is none to reject once, to reject always does no harm."""
    for kind in (f"{verb}_once", *(("reject_always",) if verb == "reject" else ())):
        for option in options:
            if option.kind == kind:
                return option
    return None


def _detail(error: RequestError) -> str:
    """What an agent says about its failure."""
    data = error.data
    details = data.get("details") or data.get("message") or data if isinstance(data, Mapping) else data
    text = short(str(error), 1_000)
    return text if not details or str(details) in text else f"{text}: {short(details, 1_000)}"


def _counts(usage: Usage) -> dict[str, int]:
    """The tokens of a turn. Some agents count cached tokens apart, which shows in a larger total."""
    read = usage.cached_read_tokens or 0
    cached = read + (usage.cached_write_tokens or 0)
    apart = usage.total_tokens >= usage.input_tokens + usage.output_tokens + cached
    counts = {
        "prompt_tokens": usage.input_tokens + (cached if apart else 0),
        "completion_tokens": usage.output_tokens,
    }
    return counts | ({"cached_tokens": read} if read else {})
