"""A server that speaks as that of LangGraph was recorded to, in version 0.16.7 of its API."""

import datetime
import json
import socket
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.watch.replaying import ReplayServer


@dataclass
class LangGraphThread:
    """One thread, with its runs, the oldest first."""

    status: str = "idle"
    runs: list[dict[str, Any]] = field(default_factory=list)


class ReplayLangGraph(ReplayServer):
    """It wants an API key. ``ends``: whether a cancellation is heard; ``synchronous``: the call of a run goes on after
    it. Each run calls a provider, over a real connection."""

    def __init__(self) -> None:
        super().__init__()
        self.synchronous = False
        self._provider: socket.socket | None = None
        self._calls: dict[str, socket.socket] = {}
        self.version, self.token = "0.16.7", "an-api-key"
        self.threads: dict[str, LangGraphThread] = {}
        self.cancelled: list[str] = []
        self.ends = True

    def admits(self, request: web.Request) -> bool:
        return request.headers.get("x-api-key") == self.token

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/info", self._info),
            web.post("/threads/search", self._search),
            web.get("/threads/{id}/runs", self._runs),
            web.post("/threads/{id}/runs/{run}/cancel", self._cancel),
        ]

    def close(self) -> None:
        """Close its connections."""
        for each in (self._provider, *self._calls.values()):
            if each is not None:
                each.close()

    # ------------------------------------------------------------------------------------- threads

    async def begin(self, key: str, *, ends: bool = True) -> str:
        """Begin a run; behind one that runs it waits."""
        self.ends = ends
        thread = self.threads.setdefault(key, LangGraphThread())
        thread.status = "busy"
        waits = any(run["status"] in ("running", "pending") for run in thread.runs)
        run, at = str(uuid.uuid4()), _now()
        status = "pending" if waits else "running"
        thread.runs.append({"run_id": run, "status": status, "created_at": at, "updated_at": at})
        self._provider = self._provider or socket.create_server(("127.0.0.1", 0))
        self._calls[run] = socket.create_connection(self._provider.getsockname())
        return run

    async def end(self, key: str, status: str = "success") -> None:
        """End what runs; what waits runs next."""
        thread = self.threads[key]
        run = next(run for run in thread.runs if run["status"] == "running")
        run |= {"status": status, "updated_at": _now()}
        if not self.synchronous:
            self._calls.pop(run["run_id"]).close()
        following = next((run for run in thread.runs if run["status"] == "pending"), None)
        thread.status = "idle" if following is None else "busy"
        if following is not None:
            following["status"] = "running"

    # ------------------------------------------------------------------------------------ protocol

    async def _info(self, _: web.Request) -> web.Response:
        return web.json_response({"version": self.version, "langgraph_py_version": "1.2.24", "flags": {}})

    async def _search(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert "values" not in asked["select"], "of a conversation nothing is asked for"
        rows = [
            {"thread_id": key, "status": thread.status, "updated_at": _now()} for key, thread in self.threads.items()
        ]
        return web.json_response(rows[: asked["limit"]])

    async def _runs(self, request: web.Request) -> web.Response:
        assert "kwargs" not in request.query.getall("select")
        thread = self.threads.get(request.match_info["id"])
        if thread is None:
            return web.json_response({"detail": "Thread not found"}, status=404)
        return web.json_response(thread.runs[::-1])

    async def _cancel(self, request: web.Request) -> web.Response:
        key, name = request.match_info["id"], request.match_info["run"]
        self.cancelled.append(name)
        run = next((run for run in self.threads[key].runs if run["run_id"] == name), None)
        if run is None or run["status"] not in ("running", "pending"):
            return web.Response(status=404, body=json.dumps({"detail": "No matching runs to cancel."}).encode())
        if self.ends:
            await self.end(key, "interrupted")
        return web.Response(status=202)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
