"""The messages dialect: Anthropic's ``/v1/messages``."""

from collections.abc import Mapping
from typing import Any

from lanes.dialects.dialect import Dialect
from lanes.dialects.messages import requests, writer
from lanes.dialects.messages.draft import MessagesDraft
from lanes.dialects.model import Unsayable


def _check(body: Mapping[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise Unsayable("messages", "messages must be a list of at least one message")


MESSAGES = Dialect(
    name="messages",
    route="messages",
    check=_check,
    read=requests.read,
    write=requests.write,
    asks=lambda model: {"model": model, "stream": True},
    draft=MessagesDraft,
    writer=writer.MessagesWriter,
    envelope=writer.envelope,
    key="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
)
