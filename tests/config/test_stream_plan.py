"""The plan: what is streamed, computed and left out, for what is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tapeloom.calendars import TimeManager
from tapeloom.calendars.clock import BacktestClock
from tapeloom.calendars.days import to_day
from tapeloom.config import FeedOffer, HistoryNeed, SessionConfig, StreamPlan
from tapeloom.errors import ConfigError, PlanError


@dataclass
class Stored:
    """A catalog made by hand: intervals by symbol, and where their bars begin and end."""

    intervals: dict[str, list[str]]
    ranges: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def get_symbols(self) -> list[str]:
        return sorted(self.intervals)

    def get_intervals(self, symbol: str) -> list[str]:
        return self.intervals.get(symbol, [])

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        found = self.ranges.get((symbol, interval))
        return [] if found is None else [found]


def config(
    streams: list[str], *, symbols: object = ("AAPL",), **data: Any
) -> SessionConfig:
    return SessionConfig.from_dict(
        {
            "session_name": "plan",
            "mode": "backtest",
            "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
            "session_data_config": {
                "symbols": symbols if symbols == "all" else list(symbols),  # type: ignore[call-overload]
                "streams": streams,
                **data,
            },
        }
    )


@pytest.mark.parametrize(
    ("requested", "stored", "base", "derived"),
    [
        (["5m"], ["1s", "1m"], "1m", ("5m",)),
        (["5s", "5m"], ["1s", "1m"], "1s", ("5s", "5m")),
        (["1m", "5m", "15m"], ["1s", "1m"], "1m", ("5m", "15m")),
        (["5m", "15m"], ["1m", "5m"], "5m", ("15m",)),
        (["1d"], ["1m", "1d"], "1d", ()),
        (["5m", "1d"], ["1m", "1d"], "1m", ("5m", "1d")),
        (["1h"], ["1m", "15m"], "15m", ("1h",)),
        (["90m", "1h"], ["30m", "45m"], "30m", ("1h", "90m")),
        (["45m"], ["15m", "30m"], "15m", ("45m",)),
        (["1w"], ["1m", "1d", "1w"], "1d", ("1w",)),
    ],
)
def test_the_base_is_the_coarsest_stored_interval_that_divides_all(
    requested: list[str], stored: list[str], base: str, derived: tuple[str, ...]
) -> None:
    (plan,) = StreamPlan.build(config(requested), Stored({"AAPL": stored})).symbols

    assert (plan.base, plan.derived) == (base, derived)
    assert [(d.stream, d.action) for d in plan.streams] == [
        (base, "STREAMED"),
        *((i, "GENERATED") for i in derived),
    ]


def test_an_interval_that_does_not_divide_is_an_error_that_says_what_would() -> None:
    with pytest.raises(PlanError) as caught:
        StreamPlan.build(config(["45m"]), Stored({"AAPL": ["30m"]}))

    assert (
        str(caught.value)
        == "AAPL: 30m does not divide 45m; a stored 15m, 5m or 1m would"
    )


def test_ticks_are_ignored_with_one_warning() -> None:
    source = Stored({"AAPL": ["1m"], "RIVN": ["1m"]})
    plan = StreamPlan.build(config(["1m", "ticks"], symbols=["AAPL", "RIVN"]), source)

    (warning,) = plan.warnings
    assert (warning.kind, warning.symbols) == ("stream_ignored", ("AAPL", "RIVN"))
    assert warning.text == "ticks are not delivered"
    assert plan.symbols[1].streams[-1].action == "IGNORED"


def test_quotes_are_streamed_where_they_are_stored_and_made_from_bars_elsewhere() -> (
    None
):
    class WithQuotes(Stored):
        def has_quotes(self, symbol: str, start: int, end: int) -> bool:
            return symbol == "AAPL" and (start, end) == (0, 2**62)

    source = WithQuotes(
        {"AAPL": ["1m"], "RIVN": ["1m"]},
        {("AAPL", "1m"): (1, 9), ("RIVN", "1m"): (1, 9)},
    )
    plan = StreamPlan.build(
        config(["quotes", "1m"], symbols=["AAPL", "RIVN"]), source, start=0, end=2**62
    )

    found = {p.symbol: p.streams[-1] for p in plan.symbols}
    assert plan.warnings == ()
    assert (found["AAPL"].action, found["RIVN"].action) == ("STREAMED", "GENERATED")
    assert found["RIVN"].reason == "from the newest bar: bid = ask = close"


def test_a_symbol_without_data_is_dropped_with_a_warning_that_names_the_need() -> None:
    source = Stored({"AAPL": ["1m"], "RIVN": ["1h"]})
    plan = StreamPlan.build(
        config(["1m", "5m"], symbols=["RIVN", "AAPL", "APPL"]), source
    )

    assert [p.symbol for p in plan.symbols] == ["AAPL"]
    assert [(w.symbols, w.text) for w in plan.warnings] == [
        (("RIVN",), "dropped: 1h does not divide 1m and 5m; a stored 1m or 1s would"),
        (
            ("APPL",),
            "dropped: no bars are stored; 1m and 5m can be made from 1m or 1s; did you mean 'AAPL'?",
        ),
    ]


def test_no_symbol_left_is_an_error_that_gives_each_reason() -> None:
    source = Stored({"AAPL": ["1h"]})

    with pytest.raises(PlanError, match="no symbol has usable data") as caught:
        StreamPlan.build(config(["1m"], symbols=["AAPL", "XYZ"]), source)

    assert "AAPL: 1h does not divide 1m" in str(caught.value)
    assert "XYZ: no bars are stored" in str(caught.value)


def test_all_means_every_stored_symbol() -> None:
    source = Stored({"B": ["1m"], "A": ["1m"]})

    plan = StreamPlan.build(config(["1m"], symbols="all"), source)

    assert [p.symbol for p in plan.symbols] == ["A", "B"]


def test_all_of_nothing_is_an_error() -> None:
    with pytest.raises(PlanError, match="no symbols are stored"):
        StreamPlan.build(config(["1m"], symbols="all"), Stored({}))


def test_symbols_stay_in_configured_order() -> None:
    source = Stored({"A": ["1m"], "B": ["1m"]})

    plan = StreamPlan.build(config(["1m"], symbols=["B", "A"]), source)

    assert [p.symbol for p in plan.symbols] == ["B", "A"]


def test_base_interval_overrides_the_choice() -> None:
    asked = config(["5m"], bars={"base_interval": "1s"})

    (plan,) = StreamPlan.build(asked, Stored({"AAPL": ["1s", "1m"]})).symbols

    assert (plan.base, plan.derived) == ("1s", ("5m",))


def test_a_base_interval_that_is_not_stored_is_an_error() -> None:
    asked = config(["5m"], bars={"base_interval": "1s"})

    with pytest.raises(
        PlanError, match="AAPL: base_interval '1s' is not stored; stored are 1m"
    ):
        StreamPlan.build(asked, Stored({"AAPL": ["1m"]}))


def test_weeks_are_computed_from_minutes() -> None:
    plan = StreamPlan.build(config(["1m", "1w"]), Stored({"AAPL": ["1m"]}))

    weekly = plan.symbols[0].streams[1]
    assert (weekly.stream, weekly.action) == ("1w", "GENERATED")
    assert "1m bars of 1w" in weekly.reason


def test_only_intervals_with_bars_in_the_window_serve() -> None:
    source = Stored(
        {"AAPL": ["1m", "5m"], "RIVN": ["5m"]},
        {("AAPL", "1m"): (0, 100), ("AAPL", "5m"): (0, 49), ("RIVN", "5m"): (200, 300)},
    )

    plan = StreamPlan.build(
        config(["5m"], symbols=["AAPL", "RIVN"]), source, start=50, end=200
    )

    assert [(p.symbol, p.base) for p in plan.symbols] == [("AAPL", "1m")]
    assert plan.warnings[0].text == (
        "dropped: no bars in the window; 5m bars are stored for other dates"
    )


def test_history_is_the_union_of_what_is_asked_for() -> None:
    data = [
        {"trailing_days": 3, "intervals": ["1m", "1d"], "apply_to": "all"},
        {"trailing_days": 10, "intervals": ["1d"], "apply_to": ["RIVN"]},
        {"trailing_days": 2, "intervals": ["5m"], "apply_to": ["RIVN"]},
    ]
    asked = config(["1m"], symbols=["AAPL", "RIVN"], historical={"data": data})

    plan = StreamPlan.build(asked, Stored({"AAPL": ["1m"], "RIVN": ["1m"]}))

    assert [p.history for p in plan.symbols] == [
        (HistoryNeed("1m", "3d"), HistoryNeed("1d", "3d")),
        (HistoryNeed("1m", "3d"), HistoryNeed("5m", "2d"), HistoryNeed("1d", "10d")),
    ]


def test_history_that_cannot_be_made_is_left_out_with_a_warning() -> None:
    data = [{"trailing_days": 3, "intervals": ["1s", "1m"]}]

    plan = StreamPlan.build(
        config(["1m"], historical={"data": data}), Stored({"AAPL": ["1m"]})
    )

    assert plan.symbols[0].history == (HistoryNeed("1m", "3d"),)
    assert [(w.kind, w.symbols) for w in plan.warnings] == [
        ("history_dropped", ("AAPL",))
    ]


@pytest.mark.parametrize(
    ("streams", "interval", "text"),
    [
        (["5m"], "1m", "history of 1m bars is left out: they are finer than the streamed 5m bars; add 1m to streams"),
        (["5m"], "7m", "history of 7m bars is left out: the streamed 5m bars do not divide them"),
    ],
)  # fmt: skip
def test_history_that_cannot_stand_beside_the_base_is_left_out_and_says_what_to_do(
    streams: list[str], interval: str, text: str
) -> None:
    data = [{"trailing_days": 3, "intervals": [interval]}]

    plan = StreamPlan.build(
        config(streams, historical={"data": data}), Stored({"AAPL": ["1m", "5m", "7m"]})
    )

    assert plan.symbols[0].history == ()
    assert [(w.kind, w.text) for w in plan.warnings] == [("history_dropped", text)]


def test_history_for_a_symbol_that_is_not_stored_is_warned_of() -> None:
    data = [{"trailing_days": 3, "intervals": ["1m"], "apply_to": ["APPL"]}]

    plan = StreamPlan.build(
        config(["1m"], symbols="all", historical={"data": data}),
        Stored({"AAPL": ["1m"]}),
    )

    assert [str(warning) for warning in plan.warnings] == [
        "history is asked for a symbol that is not stored; did you mean 'AAPL'? (APPL)"
    ]


def test_history_of_weeks_needs_no_stored_weeks() -> None:
    data = [{"trailing_days": 10, "intervals": ["1w", "3d"]}]

    plan = StreamPlan.build(
        config(["1m"], historical={"data": data}), Stored({"AAPL": ["1m"]})
    )

    assert plan.symbols[0].kept_days == {"3d": 10, "1w": 10}
    assert plan.warnings == ()


def test_bars_longer_than_a_session_are_no_base() -> None:
    with pytest.raises(PlanError) as caught:
        StreamPlan.build(config(["2w"]), Stored({"AAPL": ["1w"]}))

    assert str(caught.value) == (
        "AAPL: 1w bars are longer than a session and cannot be streamed; a stored 1d, 1h or 30m would"
    )


def test_symbols_with_the_same_plan_print_as_one_entry() -> None:
    data = [{"trailing_days": 3, "intervals": ["1m"], "apply_to": ["B"]}]
    asked = config(["1m"], symbols=["C", "B", "A"], historical={"data": data})

    plan = StreamPlan.build(asked, Stored({name: ["1m"] for name in "ABC"}))

    why = "coarsest stored interval dividing 1m"
    assert str(plan).splitlines() == [
        "2 symbols: C, A",
        f"  1m  STREAMED   {why}",
        f"B  1m  STREAMED   {why}",
        "   history 1m 3 days (configured)",
    ]
    assert [line[:1] for line in plan.to_text(one_by_one=True).splitlines()] == [
        "C",
        "B",
        " ",
        "A",
    ]


INDICATORS = {
    "avg_volume": {"type": "trailing_average", "period": "10d", "skip_early_close": True},
    "avg_short": {"type": "trailing_average", "period": "2d"},
    "avg_intraday": {"type": "trailing_average", "period": "10d", "granularity": "minute"},
    "high_52w": {"type": "trailing_max", "period": "52w"},
    "low_52w": {"type": "trailing_min", "period": "52w"},
    "low_1y": {"type": "trailing_min", "period": "1y"},
}  # fmt: skip


def test_history_is_listed_with_what_indicators_add_and_why() -> None:
    data = [
        {"trailing_days": 3, "intervals": ["1m"]},
        {"trailing_days": 3, "intervals": ["1d"], "apply_to": ["RIVN"]},
    ]
    asked = config(
        ["1m"],
        symbols=["AAPL", "RIVN", "ACME"],
        historical={"data": data, "indicators": INDICATORS},
    )
    source = Stored({"AAPL": ["1m", "1d"], "RIVN": ["1m", "1d"], "ACME": ["1m"]})

    plans = StreamPlan.build(asked, source).symbols

    assert [", ".join(map(str, p.history)) for p in plans] == [
        "1m 3 days (configured), 1m 10 days (avg_intraday), 1d 10 full days (avg_volume), "
        "1d 2 days (avg_short), 1d 52 weeks (high_52w, low_52w), 1d 1 year (low_1y)",
        "1m 3 days (configured), 1m 10 days (avg_intraday), 1d 3 days (configured, avg_short), "
        "1d 10 full days (avg_volume), 1d 52 weeks (high_52w, low_52w), 1d 1 year (low_1y)",
        "1m 3 days (configured, avg_short), 1m 10 full days (avg_volume), 1m 10 days (avg_intraday), "
        "1m 52 weeks (high_52w, low_52w), 1m 1 year (low_1y)",
    ]
    assert [p.kept_days for p in plans] == [{"1m": 3}, {"1m": 3, "1d": 3}, {"1m": 3}]
    assert dict(plans[0].indicators)["high_52w"] == "1d"
    assert dict(plans[2].indicators)["high_52w"] == "1m"


def test_an_indicator_that_nothing_stored_serves_is_warned_of() -> None:
    asked = config(["5m"], historical={"indicators": INDICATORS})

    plan = StreamPlan.build(asked, Stored({"AAPL": ["5m"]}))

    (warning,) = plan.warnings
    assert (warning.kind, warning.symbols) == ("indicator_empty", ("AAPL",))
    assert warning.text.startswith("indicator 'avg_intraday' is NaN: it needs 1m bars")


def test_a_plan_prints_as_in_its_description() -> None:
    data = [{"trailing_days": 3, "intervals": ["1m"]}]
    weeks = {name: INDICATORS[name] for name in ("high_52w", "low_52w")}
    asked = config(
        ["1m", "5m", "ticks"], historical={"data": data, "indicators": weeks}
    )

    plan = StreamPlan.build(asked, Stored({"AAPL": ["1m", "1d"]}))

    assert str(plan).splitlines()[:4] == [
        "AAPL  1m     STREAMED   coarsest stored interval dividing 1m, 5m",
        "      5m     GENERATED  5 x 1m",
        "      ticks  IGNORED    ticks are not delivered",
        "      history 1m 3 days (configured), 1d 52 weeks (high_52w, low_52w)",
    ]


def test_the_window_comes_from_the_dates_and_the_calendar() -> None:
    table = TimeManager().session_table
    index = table.index_of(to_day(date(2025, 7, 7)))
    assert index is not None
    last = (int(table.opens[index]), int(table.closes[index]))
    after = (last[1] + 86_400 * 10**9, last[1] + 2 * 86_400 * 10**9)
    source = Stored(
        {"AAPL": ["1m"], "RIVN": ["1m"]},
        {("AAPL", "1m"): last, ("RIVN", "1m"): after},
    )

    plan = StreamPlan.build(
        config(["1m"], symbols=["AAPL", "RIVN"]), source, TimeManager()
    )

    assert [p.symbol for p in plan.symbols] == ["AAPL"]
    assert plan.warnings[0].symbols == ("RIVN",)


def test_a_window_without_a_session_is_an_error() -> None:
    asked = config(["1m"]).model_dump()
    asked["backtest_config"] = {"start_date": "2025-07-04", "end_date": "2025-07-06"}

    with pytest.raises(
        ConfigError, match="holds no session of XNYS; the next one is 2025-07-07"
    ):
        StreamPlan.build(
            SessionConfig.from_dict(asked), Stored({"AAPL": ["1m"]}), TimeManager()
        )


def a_plan() -> StreamPlan:
    data = [
        {"trailing_days": 3, "intervals": ["1m"]},
        {"trailing_days": 1, "intervals": ["1d"]},
    ]
    asked = config(["1m", "5m", "1d", "ticks"], historical={"data": data})
    return StreamPlan.build(asked, Stored({"AAPL": ["1s", "1m"]}))


def test_a_plan_prints_as_a_table() -> None:
    assert str(a_plan()).splitlines() == [
        "AAPL  1m     STREAMED   coarsest stored interval dividing 1m, 5m, 1d",
        "      5m     GENERATED  5 x 1m",
        "      1d     GENERATED  each session's 1m bars",
        "      ticks  IGNORED    ticks are not delivered",
        "      history 1m 3 days (configured), 1d 1 day (configured)",
        "warning: ticks are not delivered (AAPL)",
    ]


def test_a_plan_is_a_value() -> None:
    assert a_plan() == a_plan()
    assert hash(a_plan()) == hash(a_plan())


def test_a_plan_becomes_json() -> None:
    found = json.loads(json.dumps(a_plan().to_dict()))

    assert found["symbols"][0]["history"] == [
        {
            "interval": interval,
            "period": f"{days}d",
            "reasons": ["configured"],
            "full_days": False,
            "days": days,
        }
        for interval, days in (("1m", 3), ("1d", 1))
    ]
    assert found["symbols"][0]["streams"][0] == {
        "stream": "1m",
        "action": "STREAMED",
        "reason": "coarsest stored interval dividing 1m, 5m, 1d",
    }
    assert found["warnings"] == [
        {
            "kind": "stream_ignored",
            "text": "ticks are not delivered",
            "symbols": ["AAPL"],
        }
    ]


OFFER = FeedOffer.of(["1m"], ["bars", "quotes"])
EMPTY = Stored({})


def live_config(streams: list[str], **data: Any) -> SessionConfig:
    return SessionConfig.from_dict(
        {
            "session_name": "live",
            "mode": "live",
            "session_data_config": {"symbols": ["AAPL"], "streams": streams, **data},
        }
    )


def test_in_live_the_base_is_what_the_feed_offers_and_nothing_needs_to_be_stored() -> (
    None
):
    asked = live_config(["5m", "15m", "quotes"])
    (plan,) = StreamPlan.build(asked, EMPTY, offer=OFFER).symbols

    assert [(d.stream, d.action, d.reason) for d in plan.streams] == [
        ("1m", "STREAMED", "coarsest interval of the feed dividing 5m, 15m"),
        ("5m", "GENERATED", "5 x 1m"),
        ("15m", "GENERATED", "15 x 1m"),
        ("quotes", "STREAMED", "quotes of the feed"),
    ]


def test_in_live_stored_bars_are_no_base() -> None:
    stored = Stored({"AAPL": ["5m", "1d"]}, {("AAPL", "5m"): (0, 1)})
    (plan,) = StreamPlan.build(live_config(["5m"]), stored, offer=OFFER).symbols

    assert plan.base == "1m"


def test_in_live_quotes_that_no_feed_pushes_are_made_from_bars() -> None:
    offer = FeedOffer.of(["1m"], ["bars"])
    (plan,) = StreamPlan.build(
        live_config(["1m", "quotes"]), EMPTY, offer=offer
    ).symbols

    assert plan.streams[-1].action == "GENERATED"


def test_in_live_history_is_planned_from_what_can_be_read() -> None:
    indicators = {
        "high": {"type": "trailing_max", "period": "52w"},
        "by_minute": {
            "type": "trailing_average",
            "period": "5d",
            "granularity": "minute",
        },
    }
    asked = live_config(["1m"], historical={"indicators": indicators})
    daily = Stored({"AAPL": ["1d"]})
    plan = StreamPlan.build(asked, daily, offer=OFFER)

    assert [tuple(read) for read in plan.symbols[0].indicators] == [
        ("high", "1d"),
        ("by_minute", None),
    ]
    assert [w.kind for w in plan.warnings] == ["indicator_empty"]


def test_in_live_an_indicator_reads_no_base_that_history_does_not_have() -> None:
    indicators = {"high": {"type": "trailing_max", "period": "10d"}}
    asked = live_config(["1m"], historical={"indicators": indicators})
    plan = StreamPlan.build(asked, Stored({"AAPL": ["5m"]}), offer=OFFER)

    assert plan.symbols[0].indicators[0].interval == "5m"


@pytest.mark.parametrize(
    ("streams", "bars", "message"),
    [
        (["30s"], {}, "the feed pushes 1m, of which 30s cannot be made; ask for 1m, 5m or 15m"),
        (["5m"], {"base_interval": "5m"}, "base_interval '5m' is not offered; the feed pushes 1m"),
    ],
)  # fmt: skip
def test_in_live_what_the_feed_cannot_serve_is_an_error(
    streams: list[str], bars: dict[str, object], message: str
) -> None:
    with pytest.raises(PlanError) as caught:
        StreamPlan.build(live_config(streams, bars=bars), EMPTY, offer=OFFER)

    assert str(caught.value) == message


def test_a_feed_without_bars_is_refused() -> None:
    with pytest.raises(PlanError, match="pushes no bars, only quotes"):
        FeedOffer.of(["1m"], ["quotes"])


def test_in_live_a_warm_up_is_enough_for_every_session_to_come() -> None:
    now = datetime(2025, 7, 2, 10, tzinfo=ZoneInfo("America/New_York"))
    manager = TimeManager(
        "US_EQUITY", mode="live", clock=BacktestClock(int(now.timestamp()) * 10**9)
    )
    sma = {"type": "sma", "interval": "1m", "period": 300}
    asked = live_config(["1m"], indicators={"sma300": sma})
    (plan,) = StreamPlan.build(asked, EMPTY, manager, offer=OFFER).symbols

    # The half day of July 3 has 210 minutes, so that the session after it needs two days.
    assert [tuple(w) for w in plan.warm_ups] == [("sma300", "1m", 300, 2)]


def test_a_live_plan_is_not_made_of_storage_alone() -> None:
    manager = TimeManager("US_EQUITY", mode="live")

    with pytest.raises(ConfigError, match="needs what the feed pushes"):
        StreamPlan.build(live_config(["1m"]), Stored({"AAPL": ["1m"]}), manager)
