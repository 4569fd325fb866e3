"""Faults of a configuration as paths and sentences, and the one error that holds them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from tapeloom.errors import ConfigError, did_you_mean
from tapeloom.json_file import Fault, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["Fault", "config_error", "faults_of", "kind_of"]

Path = tuple[str | int, ...]

# Keys that other versions of a configuration had.
REMOVED = {"quality_update_frequency": "removed; quality follows every bar"}
EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "dict_type": "an object: {...}",
    "model_type": "an object: {...}",
    "model_attributes_type": "an object: {...}",
    "date_type": "a date, YYYY-MM-DD",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def config_error(name: str, faults: Iterable[Fault]) -> ConfigError:
    """Return the error that lists faults, a line each; ``.errors`` holds ``(path, message)`` of each."""
    found = list(dict.fromkeys(faults))
    text = listed(name, found)
    return ConfigError(text, errors=[(f.where, f.message) for f in found])


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return pydantic's errors as faults in our words."""
    return [_fault(details, model) for details in error.errors(include_url=False)]


def kind_of(value: object) -> str:
    """Return a value as a reader of JSON knows it, shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fault(details: ErrorDetails, model: type[BaseModel]) -> Fault:
    # Names of union branches are not part of the path; ours are put in angle brackets.
    path = tuple(
        p for p in details["loc"] if not (isinstance(p, str) and p.startswith("<"))
    )
    return Fault(path, _message(details, path, model))


def _message(details: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), path[:-1], model)
    if kind == "missing":
        return "missing; it is required"
    if kind == "literal_error":
        words = [
            str(w).strip("'")
            for w in context["expected"].replace(" or ", ", ").split(", ")
        ]
        one_of = ", ".join(repr(w) for w in words)
        near = did_you_mean(value, words) if isinstance(value, str) else ""
        rule = f"must be {one_of}" if len(words) == 1 else f"must be one of {one_of}"
        return f"{kind_of(value)} {rule}{near}"
    if kind in EXPECTED:
        return f"{kind_of(value)} where {EXPECTED[kind]} is required"
    if kind in BOUNDS:
        name, words_for = BOUNDS[kind]
        return f"{kind_of(value)} must be {words_for} {context[name]:g}"
    if kind == "finite_number":
        return f"{kind_of(value)} is not a finite number"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    text = details["msg"]
    return text[:1].lower() + text[1:]


def _unknown_key(key: str, parent: Path, model: type[BaseModel]) -> str:
    if key in REMOVED:
        return REMOVED[key]
    here = dict(_models(model)).get(tuple(p for p in parent if isinstance(p, str)))
    near = did_you_mean(key, _keys(here)) if here is not None else ""
    if near:
        return f"unknown key{near}"
    for path, other in _models(model):
        if path and key in _keys(other):
            return f"unknown key; it belongs in {'.'.join(path)}"
    return "unknown key"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield every model below one, with the keys that lead to it."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner in _inner_models(field.annotation):
            yield from _models(inner, (*path, name))


def _inner_models(annotation: Any) -> list[type[BaseModel]]:
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in _inner_models(part)]
