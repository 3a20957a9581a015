"""The routes that Anthropic's clients speak to: ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from typing import Any

from starlette.types import ASGIApp

from lanes.dialects.messages import MESSAGES
from lanes.dialects.table import HEADERS, NAMED
from lanes.runners.build import Specs
from lanes.runners.providers.counting import counted, estimated
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.routes.answering import answer, session_of

#: The headers of the client that a provider of this dialect needs besides the body.
PASSED = ("anthropic-version", "anthropic-beta")


async def post_messages(call: HttpRequest) -> ASGIApp:
    """A message of Anthropic's API, streamed or whole."""
    return await answer(call, MESSAGES, {NAMED: MESSAGES.name, HEADERS: _passed_headers(call)})


async def post_count_tokens(call: HttpRequest) -> ASGIApp:
    """How many tokens a message has. It takes no lane and no run: a provider of this dialect is asked; if none answers,
    the number is an estimate, as the header ``x-lanes-estimated`` says."""
    body = await call.body()
    MESSAGES.check(body)
    count = await call.while_connected(_counted(call, body))
    if count is not None:
        return JsonResponse({"input_tokens": count})
    return JsonResponse({"input_tokens": estimated(body)}, headers=[(b"x-lanes-estimated", b"true")])


async def _counted(call: HttpRequest, body: dict[str, Any]) -> int | None:
    specs, config = call.gateway.specs, call.app_state.config
    name = body.get("model") if body.get("model") in specs else config.policy(session_of(call, body) or "").runner
    runner = config.runner(str(name))
    if runner is None or not isinstance(specs, Specs):
        return None
    providers = [config.providers[each] for each in runner.providers]
    return await counted(specs.client, providers, body, _passed_headers(call))


def _passed_headers(call: HttpRequest) -> dict[str, str]:
    return {name: call.headers[name] for name in PASSED if name in call.headers}
