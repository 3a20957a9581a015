"""Which setting of a provider is probably wrong, judged by its error message."""

import json
import re

from lanes.config.declared.model import ProviderConfig
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers.judge import NOT_SENT
from lanes_storage.law import AttemptCause

#: What providers say of a model that they do not have, or do not give to this key.
_NO_MODEL = re.compile(
    r"(invalid|unknown|unsupported|no such) model|not a valid model|model (name|id|identifier) is invalid"
    r"|\bmodel\b.{0,100}\bnot (exist|found)\b|\bnot have access to (the )?model\b",
    re.IGNORECASE,
)
_ADDRESS = "`base_url`"
_NO_KEY = re.compile(r"\bapi[ _-]?key\b", re.IGNORECASE)


def remedy(failure: AttemptFailed, provider: ProviderConfig) -> str:
    """A hint at a setting, to append to the sentence of a failure; empty if no setting explains it."""
    setting = _setting(failure, provider)
    if setting is None:
        return ""
    place = f"provider {provider.name}" + (f" in {provider.where}" if provider.where else "")
    if failure.cause in NOT_SENT and setting == _ADDRESS:
        return f" (its address is the {setting} of {place})"
    doubt = "" if _is_sure(failure, provider) else "unless that is about this message: "
    return f" ({doubt}see {setting} of {place})"


def _setting(failure: AttemptFailed, provider: ProviderConfig) -> str | None:
    status = failure.words.status
    if "local issuer certificate" in failure.message or "self-signed certificate" in failure.message:
        return "`ca_file`"
    if failure.cause in NOT_SENT:
        return _ADDRESS if status is None and "its proxy" not in failure.message else None
    if failure.cause in (AttemptCause.BAD_REQUEST, AttemptCause.AUTH) and _is_of_model(failure, provider):
        return f"`model = {json.dumps(provider.model)}`"
    if failure.cause is AttemptCause.AUTH or (status == 400 and _NO_KEY.search(failure.message)):
        return f"`{provider.key_setting}`"
    if status in (404, 405):  # there is no such route
        return f"{_ADDRESS} and `dialect`"
    return _ADDRESS if (status is not None and status < 400) or "is text/html" in failure.message else None


def _is_of_model(failure: AttemptFailed, provider: ProviderConfig) -> bool:
    named = failure.words.status == 404 and provider.model in failure.message
    return named or failure.words.code == "model_not_found" or _NO_MODEL.search(failure.message) is not None


def _is_sure(failure: AttemptFailed, provider: ProviderConfig) -> bool:
    """A 403 may be about what was asked, and a 404 about what a request names besides the model."""
    if failure.words.status == 404:
        return _is_of_model(failure, provider)
    return failure.words.status != 403
