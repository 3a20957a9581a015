"""The ACP runner: one message, one process, which speaks the Agent Client Protocol and ends with its run."""

import importlib.util
from typing import TYPE_CHECKING

from lanes.base.errors import ConfigError
from lanes.config.declared.model import RunnerConfig
from lanes.runners.base import Reply, RunContext
from lanes.runners.command.memory import AgentMemory
from lanes.runners.command.program import AgentProgram
from lanes.runners.command.trees import GraceOf, new_child
from lanes_storage.threads import in_thread

if TYPE_CHECKING:
    from lanes.runners.acp.turn import AcpTurn

LIBRARY = "acp"


class AcpRunner:
    """The runner of one ``[[runner]]`` of kind ``acp``. Raises ConfigError where the library is not installed."""

    def __init__(self, config: RunnerConfig, memory: AgentMemory, grace: GraceOf) -> None:
        find_library(config.name)
        self._program = AgentProgram(config, memory, grace, cancellable=True)
        self.stop = self._program.trees.stop

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed."""
        turn_of = await in_thread(_turns)  # in a thread, because the first time takes half a second
        program = self._program
        lane = await program.lane(run)
        async with program.places(run, lane.id) as places:
            child = new_child()
            turn = turn_of(run, child, program, lane)
            async with program.trees.of(run, child) as keeper:
                await child.start(program.order(run, keeper, program.config.argv, places))
                run.progress("command:started")
                try:
                    reply = await turn.hold(places["cwd"], program.grace(run.key))
                finally:
                    run.spent(turn.usage)
                    await turn.keep_usage()
            return reply


def find_library(runner: str) -> None:
    """Raises ConfigError where the library is not installed."""
    if importlib.util.find_spec(LIBRARY) is None:
        needs = "needs the extra `acp`: pip install 'session-lanes[acp]'"
        raise ConfigError(f"runner {runner}: kind acp {needs}")


def _turns() -> type["AcpTurn"]:
    from lanes.runners.acp.turn import AcpTurn

    return AcpTurn
