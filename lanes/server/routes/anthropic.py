"""The route that Anthropic's clients speak to: ``/v1/messages``."""

from starlette.types import ASGIApp

from lanes.dialects.messages import MESSAGES
from lanes.dialects.table import HEADERS, NAMED
from lanes.server.asgi.request import HttpRequest
from lanes.server.routes.answering import answer

#: What a provider of this dialect needs to be told besides the body.
PASSED = ("anthropic-version", "anthropic-beta")


async def post_messages(call: HttpRequest) -> ASGIApp:
    """A message of Anthropic's API, streamed or whole."""
    passed = {name: call.headers[name] for name in PASSED if name in call.headers}
    return await answer(call, MESSAGES, {NAMED: MESSAGES.name, HEADERS: passed})
