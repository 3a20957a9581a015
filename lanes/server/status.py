"""The native routes about the whole house."""

from starlette.responses import JSONResponse, Response

from lanes import forms
from lanes.server.call import Call


async def get_status(call: Call) -> Response:
    """Gateways, counts, cooldowns, ghosts: the database at a glance."""
    return JSONResponse(forms.status_form(await call.desk.status(), call.desk.clock()))
