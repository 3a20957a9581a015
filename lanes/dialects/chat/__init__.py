"""The chat dialect: OpenAI's ``/v1/chat/completions``, and what many others offer under that route."""

from collections.abc import Mapping
from typing import Any

from lanes.dialects.chat import requests, writer
from lanes.dialects.chat.draft import ChatDraft
from lanes.dialects.dialect import Dialect
from lanes.dialects.model import Untranslatable
from lanes.dialects.reading import check_messages


def _check(body: Mapping[str, Any]) -> None:
    check_messages(body)
    n = body.get("n")
    if n is not None and (n != 1 or isinstance(n, bool)):
        raise Untranslatable("n", "a message gets one answer: n must be 1")


CHAT = Dialect(
    name="chat",
    route="chat/completions",
    check=_check,
    read=requests.read,
    write=lambda prompt, _: requests.write(prompt),
    asks=lambda model: {"model": model, "stream": True, "stream_options": {"include_usage": True}},
    draft=lambda model, _: ChatDraft(model=model),
    writer=writer.ChatWriter,
    envelope=writer.envelope,
    key="authorization",
    headers={},
)
