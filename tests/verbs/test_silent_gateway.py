"""A gateway elsewhere that takes a call and never answers: only of what changes something is it unknown what became."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from lanes.drivers import client
from lanes.drivers.client import GatewayClient, GatewayUnreachable
from lanes.drivers.remote import RemoteDriver
from lanes.verbs import control, queries, sending

UNKNOWN = "whether it did what was asked is not known"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteDriver]:
    """Its connections are taken by the system, and nobody reads from them."""
    monkeypatch.setattr(client, "PATIENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        asking = GatewayClient(f"http://127.0.0.1:{server.getsockname()[1]}", None)
        with contextlib.closing(RemoteDriver(asking)) as driver:
            yield driver


def test_a_question_that_is_posted_has_done_nothing(silent: RemoteDriver) -> None:
    for verb in (queries.search, queries.marks):
        assert verb.posted
        with pytest.raises(GatewayUnreachable) as met:
            silent.call(verb)
        assert UNKNOWN not in str(met.value)


def test_of_an_action_it_is_not_known(silent: RemoteDriver) -> None:
    with pytest.raises(GatewayUnreachable, match=UNKNOWN):
        silent.call(control.pause, key="a")


def test_how_long_it_was_waited_for_is_a_round_number(silent: RemoteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the wait of the call itself is over: a little of the patience is used up when it is sent."""
    monkeypatch.setattr(client, "PATIENCE_S", 0.5)
    with pytest.raises(GatewayUnreachable, match=r"no answer within 0\.\d{1,3} s$"):
        silent.call(sending.message, id=1, wait=0)
