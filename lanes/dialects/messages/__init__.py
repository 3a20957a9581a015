"""The messages dialect: Anthropic's ``/v1/messages``."""

from lanes.dialects.dialect import Dialect
from lanes.dialects.messages import requests, writer
from lanes.dialects.messages.draft import MessagesDraft
from lanes.dialects.reading import check_messages

MESSAGES = Dialect(
    name="messages",
    route="messages",
    check=check_messages,
    read=requests.read,
    write=requests.write,
    asks=lambda model: {"model": model, "stream": True},
    draft=MessagesDraft,
    writer=writer.MessagesWriter,
    envelope=writer.envelope,
    key="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
)
