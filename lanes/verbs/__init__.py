"""Every verb, once: what can be done with lanes, by whatever surface.

A verb is a decorated function (``lanes.verbs.verb``). Its parameters have kinds (``.kinds``), it gives an effect
(``lanes.base.procedure``), and the form of its result (``.results``); ``lanes.drivers`` carry it out.
"""

from types import ModuleType
from typing import Any

from lanes.verbs.verb import Verb


def table() -> dict[str, Verb[..., Any]]:
    """All of them by name, in the order of the help."""
    from lanes.verbs import control, messages, queries, sending, system

    modules: tuple[ModuleType, ...] = (sending, control, queries, messages, system)
    found = (each for module in modules for each in vars(module).values())
    return {each.name: each for each in found if isinstance(each, Verb)}
