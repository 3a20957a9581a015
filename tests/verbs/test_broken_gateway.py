"""A gateway elsewhere that takes a call and never answers, or not to the end: only of what changes something is it
unknown what became."""

import contextlib
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.drivers import client
from lanes.drivers.client import GatewayClient, GatewayUnreachable
from lanes.drivers.remote import RemoteDriver
from lanes.verbs import control, queries, sending, table
from lanes.verbs.messages import message_count
from tests.kit.ports import kept_port

UNKNOWN = "whether it did what was asked is not known"
TLS = Path(__file__).parents[1] / "fixtures" / "tls"


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
    monkeypatch.setattr(client, "PATIENCE_S", 0.9)
    with pytest.raises(GatewayUnreachable, match=r"no answer within 0\.\d{1,3} s$"):
        silent.call(sending.message, id=1, wait=0)


def test_F1042_what_takes_long_is_not_waited_for_where_nothing_answers(
    silent: RemoteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [verb for verb in table().values() if verb.about.slow]
    assert {verb.name for verb in slow} >= {"doctor", "reconcile"}
    for verb in slow:
        needed: dict[str, object] = {"for_": "retry"} if "for_" in verb.by_name else {}
        needed |= {"older_than": 1} if "older_than" in verb.by_name else {}
        with pytest.raises(GatewayUnreachable, match=r"no answer within 0\.05 s$"):
            silent.call(verb, **needed)


@contextlib.contextmanager
def answering(said: bytes, certified: ssl.SSLContext | None = None) -> Iterator[RemoteDriver]:
    """A gateway that answers each request with that, and closes the connection."""

    def answer() -> None:
        with contextlib.suppress(OSError):  # the server is closed
            while True:
                connection, _ = server.accept()
                with contextlib.suppress(OSError):  # the client left
                    if certified is not None:
                        connection = certified.wrap_socket(connection, server_side=True)
                    connection.recv(65_536)
                    connection.sendall(said)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        scheme = "http" if certified is None else "https"
        try:
            asking = GatewayClient(f"{scheme}://127.0.0.1:{server.getsockname()[1]}", None)
            with contextlib.closing(RemoteDriver(asking)) as driver:
                yield driver
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


CUT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[{"
GIVEN_UP = b"HTTP/1.1 504 Gateway Time-out\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n504\n"
NOT_THERE = GIVEN_UP.replace(b"504", b"404")


@pytest.mark.parametrize(("said", "known"), [(b"", False), (CUT, False), (GIVEN_UP, False), (NOT_THERE, True)])
def test_F728_of_an_action_whose_answer_is_cut_it_is_not_known(said: bytes, known: bool) -> None:
    with answering(said) as driver:
        with pytest.raises(GatewayUnreachable) as met:
            driver.call(control.pause, key="a")
        assert (UNKNOWN not in str(met.value)) == known
        with pytest.raises(GatewayUnreachable) as met:
            driver.call(queries.show, key="a")
        assert UNKNOWN not in str(met.value)


def test_F728_where_nothing_is_reached_nothing_was_done() -> None:
    with (
        kept_port() as free,
        contextlib.closing(RemoteDriver(GatewayClient(f"http://127.0.0.1:{free}", None))) as driver,
        pytest.raises(GatewayUnreachable) as met,
    ):
        driver.call(control.pause, key="a")
    assert UNKNOWN not in str(met.value)


def test_F728_a_gateway_here_with_the_certificate_of_an_own_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the near end of a tunnel."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    found = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"messages":3}'
    with answering(found, context) as driver, pytest.raises(GatewayUnreachable) as met:
        driver.call(message_count, for_="retry")
    assert met.value.fix == client.OWN_CA
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    with answering(found, context) as driver:
        assert driver.call(message_count, for_="retry").messages == 3


@pytest.mark.parametrize("named", [("ALL_PROXY", "foo://bar"), ("SSL_CERT_FILE", "/none")])
def test_F728_a_proxy_or_certificates_of_the_environment_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, named: tuple[str, str]
) -> None:
    monkeypatch.setenv(*named)
    with pytest.raises(ConfigError, match="that the environment names cannot be used"):
        GatewayClient("https://elsewhere.example", None)


@pytest.mark.parametrize("named", ["http://me:s3cr3t/x@h:3128", "http://me:[s3cr3t]@h:3128", "socks5://me:s3cr3t@h:1"])
def test_F816_a_proxy_of_the_environment_that_is_none_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", named)
    with pytest.raises(ConfigError, match="it is not the address of an HTTP proxy") as refusal:
        GatewayClient("https://elsewhere.example", None)
    assert "s3cr3t" not in "".join(traceback.format_exception(refusal.value))
    GatewayClient("https://127.0.0.1:1", None).close()


def test_F819_a_proxy_of_another_kind_for_what_has_its_own_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://h:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://h:1080")
    GatewayClient("https://elsewhere.example", None).close()


def test_a_gateway_elsewhere_is_reached_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"messages":3}'
    with answering(found) as here:
        monkeypatch.setenv("HTTP_PROXY", here.name)
        with contextlib.closing(RemoteDriver(GatewayClient("http://elsewhere.example", None))) as driver:
            assert driver.call(message_count, for_="retry").messages == 3
