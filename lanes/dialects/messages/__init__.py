"""The messages dialect: Anthropic's ``/v1/messages``."""

from collections.abc import Mapping
from typing import Any

from lanes.dialects.dialect import Dialect
from lanes.dialects.messages import requests, writer
from lanes.dialects.messages.draft import MessagesDraft
from lanes.dialects.reading import check_messages


def _check(body: Mapping[str, Any]) -> None:
    """Refuse a body without messages, unless it continues a thread that the provider keeps. Raises Untranslatable."""
    if body.get("messages") != [] or body.get("thread") is None:
        check_messages(body)


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
