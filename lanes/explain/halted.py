"""Sentences about the processes of a run that are stopped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lanes.host.tree import HaltedProcess


def halted_sentences(halted: Sequence["HaltedProcess"]) -> list[str]:
    """Which processes of a run are stopped, and what lets them go on."""
    stopped = [each.process for each in halted if not each.traced]
    traced = [each.process for each in halted if each.traced]
    sentences = []
    if stopped:
        numbers = " ".join(str(each.pid) for each in stopped)
        sentences.append(f"{_subject(stopped)} stopped: `kill -CONT {numbers}` lets {_them(stopped)} go on.")
    if traced:
        sentences.append(f"{_subject(traced)} stopped by a debugger, which alone lets {_them(traced)} go on.")
    return sentences


def _subject(processes: Sequence[object]) -> str:
    noun, verb = ("process", "is") if len(processes) == 1 else ("processes", "are")
    return f"Its {noun} {', '.join(map(str, processes))} {verb}"


def _them(processes: Sequence[object]) -> str:
    return "it" if len(processes) == 1 else "them"
