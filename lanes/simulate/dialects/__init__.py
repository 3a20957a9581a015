"""The answers of the simulated provider in each dialect. Independent of ``lanes.dialects``, so that neither hides a bug
of the other."""

from lanes.simulate.dialects.answer import SimulatedAnswer
from lanes.simulate.dialects.chat import SimulatedChat
from lanes.simulate.dialects.gemini import SimulatedGemini
from lanes.simulate.dialects.messages import SimulatedMessages
from lanes.simulate.dialects.responses import SimulatedResponses

#: The routes below any base URL, each with the dialect that is spoken there.
ROUTES: dict[str, type[SimulatedAnswer]] = {
    "/chat/completions": SimulatedChat,
    "/responses": SimulatedResponses,
    "/messages": SimulatedMessages,
    "/models/{model}:{method}": SimulatedGemini,
}
