"""The ASGI application: guard, router, and every error as its surface shows it."""

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from lanes.errors import LanesError
from lanes.server.call import Call, ClientGone, Closing, House
from lanes.server.guard import Guard
from lanes.server.problems import HttpProblem, problem_of, render
from lanes.server.routes import find
from lanes_storage.errors import StorageError

log = logging.getLogger("lanes.server")


class App:
    """Serves one gateway."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._guard = Guard(house.config.gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = False

        async def noting(message):  # type: ignore[no-untyped-def]
            nonlocal begun
            begun = True
            await send(message)

        openai = scope["path"].startswith("/v1/")
        try:
            await self._answer(scope, receive, noting)
        except (ClientGone, ClientDisconnect):
            pass  # nobody is there to be told
        except Closing:
            await self._refuse(HttpProblem(503, "stopped", "the gateway has stopped"), openai, scope, receive, send)
        except (HttpProblem, LanesError, StorageError) as error:
            if begun:
                raise
            await self._refuse(problem_of(error), openai, scope, receive, send)
        except Exception:
            log.exception("%s %s failed", scope["method"], ascii(scope["path"]))
            if begun:
                raise
            problem = HttpProblem(500, "internal", "this is a fault of lanes; its log says more")
            await self._refuse(problem, openai, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        self._guard.check(scope["method"], scope["path"], request.headers)
        handler, params = find(scope["method"], scope.get("raw_path") or scope["path"].encode())
        response = await handler(Call(self._house, request, params))
        await response(scope, receive, send)

    async def _refuse(self, problem: HttpProblem, openai: bool, scope: Scope, receive: Receive, send: Send) -> None:
        await render(problem, openai=openai)(scope, receive, send)
