"""A house whose gateways have one Python runner, from a module that lies beside their configuration."""

from tests.kit.processes import House

CONFIG = """
[clocks]
reconcile_interval = "1s"

[gateway]
port = 0

[queue]
on_interrupt = "requeue"

[[runner]]
name = "own"
kind = "python"
target = "{target}"
"""


def furnish(made: House, target: str, code: str, more: str = "") -> None:
    """Give it the runner ``module:function`` of that code; ``more`` is added to its configuration."""
    made.config.write_text(CONFIG.format(target=target) + more)
    (made.config.parent / f"{target.partition(':')[0]}.py").write_text(code)
