"""Rows that an analysis keeps: ``session.record(...)`` adds one, ``records`` hands them out as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.timestamps import from_ns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    import pyarrow as pa

__all__ = ["Records"]


class Records:
    """A growing table with one row per ``record`` call.

    The columns are ``time`` (int64 nanoseconds UTC inside; aware datetimes and timestamp[ns, UTC] outside), ``symbol``
    (text or missing) and one column per value name in the order in which the names first came. A value that a row does
    not have is missing.

    Examples
    --------
    >>> from datetime import UTC
    >>> records = Records(UTC)
    >>> records.add(0, "AAPL", side="long", price=1.5)
    >>> len(records), records[0]["side"]
    (1, 'long')
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._rows: list[tuple[int, str | None, dict[str, Any]]] = []
        self._names: dict[str, None] = {}

    def add(self, ts: int, symbol: str | None, /, **values: Any) -> None:
        """Add a row at an instant (ns UTC)."""
        self._rows.append((ts, symbol, values))
        for name in values:
            self._names.setdefault(name)

    def since(self, row: int) -> Records:
        """Return the rows from one on as a table of their own; a copy."""
        found = Records(self._zone)
        for ts, symbol, values in self._rows[row:]:
            found.add(ts, symbol, **values)
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return ("time", "symbol", *self._names)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        ts, symbol, values = self._rows[row]
        found = {name: values.get(name) for name in self._names}
        return {"time": from_ns(ts, self._zone), "symbol": symbol, **found}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self._rows)))

    def to_list(self) -> list[dict[str, Any]]:
        """All rows as dicts with every column, oldest first."""
        return list(self)

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table; a copy.

        Raises
        ------
        pyarrow.ArrowInvalid
            If the values of one name have types that do not fit one column.
        """
        import pyarrow as pa

        data: dict[str, Any] = {
            "time": pa.array(
                [ts for ts, _, _ in self._rows], pa.timestamp("ns", "UTC")
            ),
            "symbol": pa.array([symbol for _, symbol, _ in self._rows], pa.string()),
        }
        for name in self._names:
            data[name] = pa.array(
                [_plain(values.get(name)) for _, _, values in self._rows]
            )
        return pa.table(data)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.to_arrow().schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        return f"Records({len(self)} rows: {', '.join(self.columns)})"


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python value it holds, which Arrow can put beside plain ones."""
    return (
        value.item()
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0
        else value
    )
