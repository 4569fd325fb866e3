"""Values of JSON that no longer change: objects as frozen dicts, lists as tuples."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FrozenDict", "frozen"]


class FrozenDict(dict[str, Any]):
    """A dict that refuses to change. Equal to a plain one with the same items; hashable where its values are."""

    def _refuse(self, *_args: object, **_named: object) -> NoReturn:
        text = "a loaded configuration does not change; change a copy: dict(...)"
        raise TypeError(text)

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle would fill an empty dict item by item.
        return type(self), (dict(self),)

    def __deepcopy__(self, _memo: object) -> FrozenDict:
        return self


def frozen(value: Any) -> Any:
    """Return a value of JSON with its objects and lists frozen, all the way down."""
    if isinstance(value, dict):
        return FrozenDict((key, frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(frozen, value))
    return value
