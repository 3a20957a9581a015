"""Sends one alert, to a webhook or to the standard input of a program, within the time limit of the alert."""

import asyncio
import os
import signal
import subprocess

from lanes.config.declared.model import AlertConfig
from lanes.runners.http.client import HttpClient


class NotSent(Exception):
    """An alert could not be sent. The text gives the reason, but not the address, which may contain a secret."""


def send(alert: AlertConfig, body: bytes) -> None:
    """Send an alert. Blocks for at most its time limit. Raises NotSent."""
    try:
        if alert.command:
            _run(alert, body)
        else:
            asyncio.run(_post(alert, body))
    except NotSent:
        raise
    except TimeoutError as error:
        raise NotSent(f"no answer within {alert.timeout_ms / 1000:g} s") from error
    except Exception as error:
        raise NotSent(type(error).__name__) from error  # its text may contain the address


async def _post(alert: AlertConfig, body: bytes) -> None:
    """Post to the webhook. Redirects are not followed."""
    if alert.url is None:
        raise NotSent("its address is unknown")
    client = HttpClient()
    try:
        async with asyncio.timeout(alert.timeout_ms / 1000):
            headers = {"content-type": "application/json"}
            async with client.post(alert.url, body, headers, lambda: None) as answer:
                if not 200 <= answer.status < 300:
                    raise NotSent(f"HTTP {answer.status}")
    finally:
        await client.aclose()


def _run(alert: AlertConfig, body: bytes) -> None:
    """Run the program, without a shell; it must exit with code 0. At the time limit its process group is killed."""
    quiet = subprocess.DEVNULL
    try:
        started = subprocess.Popen(
            alert.command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except OSError as error:
        raise NotSent(f"{alert.command[0]} could not be started: {error.strerror}") from error
    with started as child:
        try:
            child.communicate(body, timeout=alert.timeout_ms / 1000)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise NotSent(f"it ran for longer than {alert.timeout_ms / 1000:g} s") from error
            raise
    if child.returncode != 0:
        raise NotSent(f"exit code {child.returncode}")
