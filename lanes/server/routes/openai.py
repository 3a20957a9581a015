"""The routes that OpenAI's clients speak to: ``/v1/chat/completions``, ``/v1/responses`` and ``/v1/models``."""

from typing import Any

from starlette.types import ASGIApp

from lanes.dialects.chat import CHAT
from lanes.dialects.responses import RESPONSES
from lanes.dialects.table import NAMED
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.routes.answering import answer


async def post_chat(call: HttpRequest) -> ASGIApp:
    """A chat completion, streamed or whole."""
    return await answer(call, CHAT)


async def post_responses(call: HttpRequest) -> ASGIApp:
    """A response of OpenAI's newer API, streamed or whole."""
    return await answer(call, RESPONSES, {NAMED: RESPONSES.name})


async def get_models(call: HttpRequest) -> ASGIApp:
    """The runners, as models; ``lanes`` is the one that the policy names."""
    names = ["lanes", *call.gateway.models]
    return JsonResponse({"object": "list", "data": [_model(name) for name in names]})


async def get_model(call: HttpRequest) -> ASGIApp:
    """One runner, as a model."""
    name = call.path_params["model"]
    if name != "lanes" and name not in call.gateway.models:
        raise HttpProblem(404, "model_not_found", "there is no such model here; see /v1/models", param="model")
    return JsonResponse(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lanes"}
