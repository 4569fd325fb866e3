"""Faults of a configuration as paths and sentences, and the one error that holds them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from tapeloom.errors import ConfigError, did_you_mean
from tapeloom.json_file import Fault, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["Fault", "config_error", "faults_of", "kind_of"]

Path = tuple[str | int, ...]

# Stands in a path for a name that the user chooses, such as that of an indicator.
ANY = "*"
# Keys that other versions of a configuration had.
REMOVED = {"quality_update_frequency": "removed; quality follows every bar"}
# What stands in pydantic's paths beside keys: our branches of a union, and its own mark of a key.
NO_KEYS = ("<all>", "<list>", "<file>", "<table>", "[key]")
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
    return [
        _fault(details, model)
        for details in error.errors(include_url=False)
        # A default that was not made because of another error is none of its own.
        if details["type"] != "default_factory_not_called"
    ]


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
    path = tuple(p for p in details["loc"] if p not in NO_KEYS)
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
    keys = [p for p in parent if isinstance(p, str)]
    here = {
        name
        for path, other in _models(model)
        if _leads_to(path, keys)
        for name in _keys(other)
    }
    if key in here:
        # It belongs to another form of the same object.
        return "cannot stand beside the other key here; leave out one of them"
    near = did_you_mean(key, sorted(here))
    if near:
        return f"unknown key{near}"
    for path, other in _models(model):
        if path and key in _keys(other):
            return f"unknown key; it belongs in {'.'.join(path)}"
    return "unknown key"


def _leads_to(path: tuple[str, ...], keys: list[str]) -> bool:
    """Whether keys follow a path, in which a name that the user chose is ``ANY``."""
    return len(path) == len(keys) and all(
        p in (ANY, k) for p, k in zip(path, keys, strict=True)
    )


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield every model below one, with the keys that lead to it."""
    yield path, model
    for name, field in model.model_fields.items():
        for below, inner in _inner_models(field.annotation):
            yield from _models(inner, (*path, name, *below))


def _inner_models(annotation: Any) -> list[tuple[tuple[str, ...], type[BaseModel]]]:
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [((), annotation)]
    named = (ANY,) if get_origin(annotation) is dict else ()
    return [
        ((*named, *below), inner)
        for part in get_args(annotation)
        for below, inner in _inner_models(part)
    ]
