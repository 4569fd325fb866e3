"""Rules between keys of a configuration. They read it as it was given, so that one fault does not hide another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.config.data_apis import ADDRESSED, LIVE, LOCAL, REPLAY, check_data_api
from tapeloom.config.faults import Fault
from tapeloom.config.fields import QUOTES, TICKS
from tapeloom.config.universe import Universe
from tapeloom.errors import ArgumentError, did_you_mean

__all__ = ["broken_rules"]

DATA = "session_data_config"
EXTREMES = ("trailing_max", "trailing_min")
ONE_DAY = Interval("1d")
REALTIME_TYPES = ("sma", "ema", "rsi", "atr", "vwap", "stdev", "high", "low")
# What real-time indicators of some types have no use for, and why.
NO_USE = {
    ("vwap", "period"): "it begins with each session",
    ("vwap", "field"): "it is made of typical price and volume",
    ("atr", "field"): "it is made of high, low and close",
}


def broken_rules(
    given: Mapping[str, Any], universe: Universe | None = None
) -> list[Fault]:
    """Return what breaks a rule between keys; values that break a rule of their own are passed over.

    Parameters
    ----------
    given
        The configuration as read from JSON, valid or not.
    universe
        The symbols it means, where they could be read.
    """
    return [
        *_window(given),
        *_live(given),
        *_limits(given),
        *_symbols(given),
        *_streams(given),
        *_history(given, universe),
        *_indicators(given),
        *_realtime_indicators(given),
    ]


def _at(given: object, *path: str) -> Any:
    for key in path:
        if not isinstance(given, Mapping):
            return None
        given = given.get(key)
    return given


def _items(given: object) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else []


def _date(value: object) -> date | None:
    # A datetime is a date to Python, and is refused by its own key.
    if isinstance(value, date):
        return None if isinstance(value, datetime) else value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _interval(value: object) -> Interval | None:
    try:
        return Interval(value) if isinstance(value, (str, int)) else None
    except (ArgumentError, UnicodeError, OverflowError):
        return None


def _symbol(value: object) -> str | None:
    try:
        return normalise_symbol(value)
    except ArgumentError:
        return None


def _window(given: Mapping[str, Any]) -> Iterator[Fault]:
    window = given.get("backtest_config")
    if window is None and given.get("mode") == "backtest":
        yield Fault(("backtest_config",), "missing; mode 'backtest' needs it")
    start, end = _date(_at(window, "start_date")), _date(_at(window, "end_date"))
    if start is not None and end is not None and end < start:
        yield Fault(
            ("backtest_config", "end_date"), f"{end} is before start_date {start}"
        )


def _live(given: Mapping[str, Any]) -> Iterator[Fault]:
    """What belongs to the other mode, and a source of data that cannot serve this one."""
    mode, path = given.get("mode"), ("api_config", "data_api")
    api_config = given.get("api_config")
    name = _at(api_config, "data_api")
    if mode == "backtest":
        if given.get("live_config") is not None:
            yield Fault(("live_config",), "is for mode 'live'; leave it out")
        if isinstance(name, str) and name != LOCAL and check_data_api(name) is None:
            text = f"{name!r} is for mode 'live'; a backtest reads stored bars, use {LOCAL!r}"
            yield Fault(path, text)
    if mode != "live":
        return
    if given.get("backtest_config") is not None:
        yield Fault(("backtest_config",), "is for mode 'backtest'; leave it out")
    can = " or ".join(map(repr, LIVE))
    if name == LOCAL:
        text = f"{LOCAL!r} is for mode 'backtest': stored bars do not arrive; use {can}"
        yield Fault(path, text)
    elif isinstance(api_config, Mapping) and name is None:
        yield Fault(path, f"missing; mode 'live' needs one, such as {can}")
    yield from _without_effect(given.get("live_config"), name)


def _without_effect(live: object, name: object) -> Iterator[Fault]:
    """Keys of ``live_config`` that the source of data has no use for."""
    speed = _at(live, "replay_speed")
    is_set = isinstance(speed, int | float) and speed > 0 and speed != 1.0
    if is_set and name in (LOCAL, *ADDRESSED):
        text = f"is for {REPLAY!r}, and data_api is {name!r}; leave it out"
        yield Fault(("live_config", "replay_speed"), text)
    for key in ("data_feed", "url_override", "history_url_override"):
        if name == REPLAY and _at(live, key) is not None:
            text = f"is for a vendor, and data_api is {REPLAY!r}; leave it out"
            yield Fault(("live_config", key), text)


def _limits(given: Mapping[str, Any]) -> Iterator[Fault]:
    limits = given.get("trading_config")
    most = _at(limits, "max_buying_power")
    for key in ("max_per_trade", "max_per_symbol"):
        value = _at(limits, key)
        numbers = isinstance(value, (int, float)) and isinstance(most, (int, float))
        if numbers and value > most:
            yield Fault(
                ("trading_config", key), f"{value:g} is above max_buying_power {most:g}"
            )


def _repeats(
    values: list[Any], read: Any, path: tuple[str | int, ...]
) -> Iterator[Fault]:
    first: dict[Any, Any] = {}
    for i, value in enumerate(values):
        key = read(value)
        if key is not None and first.setdefault(key, (i, value))[0] != i:
            yield Fault((*path, i), f"{value!r} repeats {first[key][1]!r}")


def _symbols(given: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _repeats(_items(_at(given, DATA, "symbols")), _symbol, (DATA, "symbols"))


def _streams(given: Mapping[str, Any]) -> Iterator[Fault]:
    streams = _items(_at(given, DATA, "streams"))

    def read(value: object) -> object:
        return value if value in (QUOTES, TICKS) else _interval(value)

    yield from _repeats(streams, read, (DATA, "streams"))
    if streams and all(s in (QUOTES, TICKS) for s in streams):
        said = " and ".join(dict.fromkeys(streams))
        text = f"{said} alone leave no bars to stream; add a bar interval such as '1m'"
        yield Fault((DATA, "streams"), text)
    yield from _base(given, [i for i in map(_interval, streams) if i is not None])


def _base(given: Mapping[str, Any], streams: list[Interval]) -> Iterator[Fault]:
    """What the base does not serve."""
    base = _interval(_at(given, DATA, "bars", "base_interval"))
    if base is None:
        return
    path = (DATA, "bars", "base_interval")
    if base > ONE_DAY:
        text = f"{base.text!r} is longer than a session; the longest base is '1d'"
        yield Fault(path, text)
        return
    missed = [i for i in streams if not base.divides(i)]
    if missed:
        word = "stream" if len(missed) == 1 else "streams"
        text = f"{base.text!r} does not divide the {word} {', '.join(i.text for i in missed)}"
        yield Fault(path, text)
    for name, spec in _named(_at(given, DATA, "indicators")):
        interval = _interval(_at(spec, "interval"))
        if interval is not None and not base.divides(interval):
            text = f"{interval.text!r} is not served by base_interval {base.text!r}, which does not divide it"
            yield Fault((DATA, "indicators", name, "interval"), text)


def _named(given: object) -> list[tuple[str, Any]]:
    return list(given.items()) if isinstance(given, Mapping) else []


def _history(given: Mapping[str, Any], universe: Universe | None) -> Iterator[Fault]:
    known = () if universe is None or universe.symbols == "all" else universe.symbols
    for i, entry in enumerate(_items(_at(given, DATA, "historical", "data"))):
        path = (DATA, "historical", "data", i)
        yield from _repeats(
            _items(_at(entry, "intervals")), _interval, (*path, "intervals")
        )
        wanted = _items(_at(entry, "apply_to"))
        yield from _repeats(wanted, _symbol, (*path, "apply_to"))
        for j, value in enumerate(wanted):
            symbol = _symbol(value)
            if known and symbol is not None and symbol not in known:
                near = did_you_mean(symbol, known)
                yield Fault(
                    (*path, "apply_to", j), f"{value!r} is not among symbols{near}"
                )


def _indicators(given: Mapping[str, Any]) -> Iterator[Fault]:
    """Keys that only averages have, given to another kind."""
    for name, spec in _named(_at(given, DATA, "historical", "indicators")):
        kind = _at(spec, "type")
        if kind not in EXTREMES:
            continue
        for key, default in (("granularity", "daily"), ("skip_early_close", False)):
            value = spec.get(key, default)
            if value != default:
                text = f"{value!r} is for 'trailing_average'; leave it out for {kind!r}"
                if isinstance(value, bool):
                    text = f"true is for 'trailing_average'; leave it out for {kind!r}"
                yield Fault((DATA, "historical", "indicators", name, key), text)


def _realtime_indicators(given: Mapping[str, Any]) -> Iterator[Fault]:
    """The period and field that a type of real-time indicator needs, or has no use for."""
    for name, spec in _named(_at(given, DATA, "indicators")):
        kind, path = _at(spec, "type"), (DATA, "indicators", name)
        if not isinstance(kind, str):
            continue
        for key in ("period", "field"):
            # The usual field says nothing, and a configuration that is dumped has it.
            if (kind, key) in NO_USE and spec.get(key) not in (None, "close"):
                text = f"is not for {kind!r}: {NO_USE[kind, key]}; leave it out"
                yield Fault((*path, key), text)
        period = spec.get("period")
        if kind not in REALTIME_TYPES or kind == "vwap":
            continue
        if period is None:
            text = f"missing; {kind!r} needs a number of bars, such as 20"
            yield Fault((*path, "period"), text)
        elif kind == "stdev" and period == 1 and not isinstance(period, bool):
            text = "1 must be at least 2 for 'stdev'; one bar has no deviation"
            yield Fault((*path, "period"), text)
