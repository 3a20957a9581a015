"""Whether a printed or answered form is exactly what its schema says."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from lanes.records import schema


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER)


def is_form(value: Any, name: str) -> None:
    """Fails unless ``value`` is a form of that name (``Lane``, ``Message`` …), with no field too many or too few."""
    wrong = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(value)]
    assert not wrong, f"no {name}: {wrong}\n{value}"


def are_forms(values: Any, name: str) -> None:
    """Fails unless ``values`` is a list of such forms; an empty one shows nothing, and fails as well."""
    assert isinstance(values, list)
    assert values, f"no {name} at all"
    for value in values:
        is_form(value, name)
