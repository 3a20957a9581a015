"""The part of a configuration that sends every message to the simulated provider."""

CHAT = """
[[runner]]
name = "chat"
kind = "provider"
providers = ["sim"]
[[provider]]
name = "sim"
dialect = "chat"
base_url = "{url}/v1"
model = "{model}"
"""


def simulated(url: str, model: str = "sim-ok") -> str:
    """One runner, ``chat``, that asks the provider at ``url``."""
    return CHAT.format(url=url, model=model)
