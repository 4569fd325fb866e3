"""The configuration says everything that is wrong with it, at once and with its path."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tapeloom.config import SessionConfig, packaged_schema
from tapeloom.config.schema_file import generated_schema
from tapeloom.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = ("trailing_average", "trailing_max", "trailing_min")
SMALL: dict[str, Any] = {
    "session_name": "small",
    "mode": "backtest",
    "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
    "session_data_config": {"symbols": ["AAPL", "RIVN"], "streams": ["1m", "5m"]},
}
# Every key this version knows; what it does not act on has its default.
WHOLE: dict[str, Any] = {
    "$schema": "session.schema.json",
    "session_name": "whole",
    "exchange_group": "US_EQUITY",
    "asset_class": "EQUITY",
    "mode": "backtest",
    "backtest_config": {
        "start_date": "2025-07-02",
        "end_date": "2025-07-07",
        "speed_multiplier": 0.0,
        "prefetch_days": None,
    },
    "session_data_config": {
        "symbols": ["AAPL", "RIVN"],
        "streams": ["1m", "5m", "15m", "quotes"],
        "streaming": {"catchup_threshold_seconds": 60, "catchup_check_interval": 10},
        "historical": {
            "enable_quality": True,
            "data": [
                {"trailing_days": 3, "intervals": ["1m"], "apply_to": "all"},
                {"trailing_days": 10, "intervals": ["1d"], "apply_to": ["AAPL"]},
            ],
            "indicators": {
                "avg_volume": {
                    "type": "trailing_average",
                    "period": "10d",
                    "granularity": "daily",
                    "field": "volume",
                    "skip_early_close": True,
                },
                "high_52w": {"type": "trailing_max", "period": "52w"},
            },
        },
        "indicators": {},
        "gap_filler": {
            "enable_session_quality": True,
            "max_retries": 5,
            "retry_interval_seconds": 60,
        },
        "bars": {
            "base_interval": None,
            "on_duplicate": "replace",
            "on_invalid": "error",
            "allow_negative_prices": False,
            "completeness": "any",
            "anchor": "session",
            "extended_hours": "off",
            "no_trade": "gap",
            "on_gap": "mark",
        },
    },
    "trading_config": {
        "max_buying_power": 100000.0,
        "max_per_trade": 10000.0,
        "max_per_symbol": 20000.0,
        "max_open_positions": 5,
    },
    "api_config": {"data_api": "local", "trade_api": "paper", "account_id": None},
    "metadata": {"created_by": "user", "version": "1.0", "own": {"keys": [1, None]}},
}
SMALL_LIVE: dict[str, Any] = {
    "session_name": "small",
    "mode": "live",
    "session_data_config": SMALL["session_data_config"],
}
# The same for a live run, with values that are not the defaults.
WHOLE_LIVE: dict[str, Any] = {
    **{key: value for key, value in WHOLE.items() if key != "backtest_config"},
    "mode": "live",
    "api_config": {"data_api": "alpaca", "trade_api": None, "account_id": None},
    "live_config": {
        "journal": "relaxed",
        "journal_folder": "days",
        "grace_seconds": 0.5,
        "tolerance_seconds": 0,
        "gap_grace_seconds": 12.5,
        "sessions": 3,
        "stall_seconds": 2.0,
        "store_end_of_day": False,
        "data_feed": "sip",
        "url_override": "ws://127.0.0.1:8765",
        "history_url_override": "http://127.0.0.1:8765",
        "replay_speed": 1.0,
    },
}


def changed(path: str, value: object, given: dict[str, Any] = WHOLE) -> dict[str, Any]:
    """A copy with one value at a dotted path; numbers are positions in lists."""
    result = copy.deepcopy(given)
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    place: Any = result
    for part in parents:
        place = place[part]
    place[last] = value
    return result


def errors_of(given: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        SessionConfig.from_dict(given)  # type: ignore[arg-type]
    return dict(caught.value.errors)  # type: ignore[call-overload, no-any-return]


def test_defaults_are_those_of_the_specification() -> None:
    config = SessionConfig.from_dict(SMALL)
    data = config.session_data_config

    assert (config.exchange_group, config.asset_class) == ("US_EQUITY", "EQUITY")
    assert config.backtest_config is not None
    assert config.backtest_config.start_date == date(2025, 7, 2)
    assert config.backtest_config.speed_multiplier == 0.0
    assert config.backtest_config.prefetch_days is None
    assert (data.historical.enable_quality, data.historical.data) == (True, ())
    assert data.gap_filler.enable_session_quality is True
    assert (data.bars.base_interval, data.bars.on_duplicate) == (None, "replace")
    assert (data.bars.on_invalid, data.bars.completeness) == ("error", "any")


def test_symbols_and_intervals_are_normalised() -> None:
    given = changed("session_data_config.symbols", [" aapl ", "brk.b"], SMALL)
    given["session_data_config"]["streams"] = ["60s", 60, "ticks"]

    data = SessionConfig.from_dict(given).session_data_config

    assert (data.symbols, data.streams) == (("AAPL", "BRK.B"), ("1m", "1h", "ticks"))


def test_all_symbols_can_be_asked_for() -> None:
    given = changed("session_data_config.symbols", "all", SMALL)

    assert SessionConfig.from_dict(given).session_data_config.symbols == "all"


@pytest.mark.parametrize(
    "given",
    [SMALL, WHOLE, SMALL_LIVE, WHOLE_LIVE],
    ids=["small", "whole", "small_live", "whole_live"],
)
def test_saving_loses_nothing(tmp_path: Path, given: dict[str, Any]) -> None:
    config = SessionConfig.from_dict(given)
    config.save(tmp_path / "saved.json")

    assert SessionConfig.load(tmp_path / "saved.json") == config
    assert json.loads((tmp_path / "saved.json").read_text()) == given
    assert [p.name for p in tmp_path.iterdir()] == ["saved.json"]


@pytest.mark.parametrize(
    "given",
    [SMALL, WHOLE, SMALL_LIVE, WHOLE_LIVE],
    ids=["small", "whole", "small_live", "whole_live"],
)
def test_a_dump_is_a_config_again(given: dict[str, Any]) -> None:
    config = SessionConfig.from_dict(given)

    assert SessionConfig.from_dict(config.model_dump()) == config


def test_saving_into_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        SessionConfig.from_dict(SMALL).save(tmp_path / "missing" / "a.json")


def test_a_config_does_not_change() -> None:
    config = SessionConfig.from_dict(SMALL)

    with pytest.raises(ValidationError, match="frozen"):
        config.session_name = "other"
    with pytest.raises(ValidationError, match="frozen"):
        config.session_data_config.bars.on_invalid = "skip"


def test_what_is_inside_a_config_does_not_change_either() -> None:
    config = SessionConfig.from_dict(WHOLE)
    indicators = config.session_data_config.historical.indicators

    with pytest.raises(TypeError, match="does not change"):
        indicators["other"] = indicators["high_52w"]
    with pytest.raises(TypeError, match="does not change"):
        indicators.clear()
    assert config.metadata is not None
    with pytest.raises(TypeError, match="does not change"):
        config.metadata.own["keys"] = []  # type: ignore[attr-defined]
    assert config.metadata.own["keys"] == (1, None)  # type: ignore[attr-defined]


def test_a_config_can_be_copied_pickled_and_hashed() -> None:
    config = SessionConfig.from_dict(WHOLE)

    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert hash(config) == hash(SessionConfig.from_dict(WHOLE))


def test_the_field_of_an_indicator_follows_from_its_type() -> None:
    specs = {kind: {"type": kind, "period": "10d"} for kind in KINDS}
    given = copy.deepcopy(SMALL)
    given["session_data_config"]["historical"] = {"indicators": specs}

    found = SessionConfig.from_dict(given).session_data_config.historical.indicators

    assert [found[kind].field for kind in KINDS] == ["volume", "high", "low"]


@pytest.mark.parametrize("name", ["", " ", "a\n", " a"])
def test_a_name_of_an_indicator_must_be_readable(name: str) -> None:
    spec = {"type": "trailing_max", "period": "10d"}
    given = changed("session_data_config.historical.indicators", {name: spec})

    ((path, message),) = errors_of(given).items()

    assert path.startswith("session_data_config.historical.indicators")
    assert "blanks at its ends" in message or "is no name" in message


def test_an_indicator_without_a_period_is_told_so() -> None:
    given = changed(
        "session_data_config.historical.indicators.a", {}, copy.deepcopy(WHOLE)
    )

    assert errors_of(given) == {
        "session_data_config.historical.indicators.a.type": "missing; it is required",
        "session_data_config.historical.indicators.a.period": "missing; it is required",
    }


def test_what_a_live_session_uses_is_kept() -> None:
    given = copy.deepcopy(WHOLE)
    given["session_data_config"]["streaming"]["catchup_check_interval"] = 20
    given["session_data_config"]["gap_filler"]["max_retries"] = 3

    data = SessionConfig.from_dict(given).session_data_config

    assert (data.streaming.catchup_check_interval, data.gap_filler.max_retries) == (
        20,
        3,
    )


def test_the_schema_of_the_package_is_that_of_the_models() -> None:
    assert packaged_schema() == generated_schema()


def test_the_schema_names_every_key_and_no_other() -> None:
    schema = json.dumps(SessionConfig.json_schema())

    assert all(f'"{path.split(".")[-1]}"' in schema for path in EVERY_PATH)
    assert '"additionalProperties": false' in schema


def nested(depth: int) -> dict[str, Any]:
    given: dict[str, Any] = {}
    place = given
    for _ in range(depth):
        place["a"] = {}
        place = place["a"]
    return given


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "nan is not a finite number"),
        (float("inf"), "inf is not a finite number"),
        (object(), "object is nothing that JSON can hold"),
        ({1: 2}, "key 1 is no text"),
        ("\ud800", "holds half a character"),
        (nested(70), "nested more than 64 levels deep"),
        (nested(100_000), "nested more than 64 levels deep"),
        ([[0] * 1000] * 1001, "holds more than 1,000,000 values"),
    ],
    ids=["nan", "inf", "object", "key", "surrogate", "deep", "deeper", "many"],
)
def test_a_dict_holds_nothing_that_json_cannot(value: object, message: str) -> None:
    given = changed("metadata", {"own": value}, SMALL | {"metadata": {}})

    assert message in " ".join(errors_of(given).values())


def test_a_file_that_nests_deeply_is_refused(tmp_path: Path) -> None:
    text = json.dumps(SMALL)[:-1] + ', "metadata": ' + json.dumps(nested(100)) + "}"

    with pytest.raises(ConfigError, match="nested more than 64 levels deep"):
        load_text(tmp_path, text)


def test_all_errors_come_at_once_with_path_and_suggestion(tmp_path: Path) -> None:
    given = changed("session_data_config.historical.enable_qualty", True)
    given["session_data_config"]["symbols"] = ["AAPL", "RIVN", "aapl"]
    given["backtest_config"]["end_date"] = "2025-07-01"
    file = tmp_path / "session.json"
    file.write_text(json.dumps(given))

    with pytest.raises(ConfigError) as caught:
        SessionConfig.load(file)

    assert str(caught.value).splitlines() == [
        "session.json: 3 errors",
        "  session_data_config.historical.enable_qualty: unknown key; did you mean 'enable_quality'?",
        "  backtest_config.end_date: 2025-07-01 is before start_date 2025-07-02",
        "  session_data_config.symbols[2]: 'aapl' repeats 'AAPL'",
    ]


def key_paths(given: object, path: str = "") -> list[str]:
    """Dotted paths of all keys of the whole configuration, but those of the user's own notes."""
    if isinstance(given, list):
        return [p for i, v in enumerate(given) for p in key_paths(v, f"{path}{i}.")]
    if not isinstance(given, dict) or path == "metadata.":
        return []
    below = [p for k, v in given.items() for p in key_paths(v, f"{path}{k}.")]
    # Names of indicators are the user's own.
    known = () if path.endswith("historical.indicators.") else given
    return [path + key for key in known] + below


#: Those of a backtest, then those that only a live run has.
EVERY_PATH = list(dict.fromkeys([*key_paths(WHOLE), *key_paths(WHOLE_LIVE)]))


@pytest.mark.parametrize("path", EVERY_PATH)
def test_each_misspelt_key_is_found_and_suggested(path: str) -> None:
    *parents, key = path.split(".")
    misspelt = key[0] + key[2:]
    given = copy.deepcopy(WHOLE_LIVE if path.startswith("live_config") else WHOLE)
    place: Any = given
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    place[misspelt] = place.pop(key)

    messages = {p.rpartition(".")[2]: m for p, m in errors_of(given).items()}

    assert messages[misspelt] == f"unknown key; did you mean {key!r}?"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("mode", "lve", "'lve' must be one of 'backtest', 'live'; did you mean 'live'?"),
        ("api_config.data_api", "alpaca", "'alpaca' is for mode 'live'; a backtest reads stored bars, use 'local'"),
        ("api_config.data_api", "replay", "'replay' is for mode 'live'; a backtest reads stored bars, use 'local'"),
        ("live_config", {}, "is for mode 'live'; leave it out"),
    ],
)  # fmt: skip
def test_a_backtest_has_nothing_of_a_live_run(
    path: str, value: object, message: str
) -> None:
    # A list of symbols elsewhere would be checked against the symbols.
    given = changed("session_data_config.historical.data", [])

    assert errors_of(changed(path, value, given)) == {path: message}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("backtest_config", {"start_date": "2025-07-02", "end_date": "2025-07-02"}, "is for mode 'backtest'; leave it out"),
        ("api_config", {}, "missing; mode 'live' needs one, such as 'alpaca' or 'replay'"),
        ("api_config.data_api", "local", "'local' is for mode 'backtest': stored bars do not arrive; use 'alpaca' or 'replay'"),
        ("api_config.data_api", "alpcaa", "'alpcaa' is no source of data; did you mean 'alpaca'?"),
        ("api_config.data_api", "elsewhere", "register it first with tapeloom.live.register_data_api"),
        ("live_config.journal", "strct", "did you mean 'strict'?"),
        ("live_config.journal_folder", " ", "must not be blank"),
        ("live_config.grace_seconds", -1, "must be at least 0"),
        ("live_config.tolerance_seconds", "1", "'1' where a number is required"),
        ("live_config.gap_grace_seconds", -0.1, "must be at least 0"),
        ("live_config.sessions", 0, "must be at least 1"),
        ("live_config.stall_seconds", 0, "must be above 0"),
        ("live_config.store_end_of_day", 1, "true or false is required"),
        ("live_config.replay_speed", 0, "must be above 0"),
        ("live_config.replay_speed", 60, "is for 'replay', and data_api is 'alpaca'; leave it out"),
    ],
)  # fmt: skip
def test_a_live_config_says_what_is_wrong_with_it(
    path: str, value: object, message: str
) -> None:
    found = errors_of(changed(path, value, WHOLE_LIVE))
    path = "api_config.data_api" if path == "api_config" else path

    assert list(found) == [path]
    assert message in found[path]


@pytest.mark.parametrize("key", ["data_feed", "url_override", "history_url_override"])
def test_a_replay_has_no_vendor(key: str) -> None:
    given = SMALL_LIVE | {"api_config": {"data_api": "replay"}}
    given["live_config"] = {key: "iex", "replay_speed": 60}

    assert errors_of(given) == {
        f"live_config.{key}": "is for a vendor, and data_api is 'replay'; leave it out"
    }


def test_a_live_config_needs_no_window_and_no_section_of_its_own() -> None:
    config = SessionConfig.from_dict(SMALL_LIVE)

    assert (config.mode, config.backtest_config, config.live_config) == (
        "live",
        None,
        None,
    )
    assert (config.live.journal, config.live.gap_grace_seconds) == ("strict", 5.0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("session_name", " ", "must not be blank"),
        ("session_name", None, "null where text is required"),
        ("exchange_group", "US_EQUTY", "did you mean 'US_EQUITY'?"),
        ("asset_class", "EQUTY", "did you mean 'EQUITY'?"),
        ("backtest_config.start_date", "07/02/2025", "write YYYY-MM-DD"),
        ("backtest_config.start_date", "2025-02-30", "not a day of the calendar"),
        ("backtest_config.start_date", "20250702", "write YYYY-MM-DD"),
        ("backtest_config.start_date", None, "null is not a date"),
        ("backtest_config.speed_multiplier", -1, "must be at least 0"),
        ("backtest_config.speed_multiplier", "0", "'0' where a number is required"),
        ("backtest_config.prefetch_days", 0, "must be at least 1"),
        ("backtest_config.prefetch_days", 1.5, "1.5 where a whole number is required"),
        ("backtest_config.prefetch_days", True, "true where a whole number is required"),
        ("session_data_config.symbols", "al", "did you mean 'all'?"),
        ("session_data_config.symbols", None, "null where a list of symbols"),
        ("session_data_config.streams", [], "must not be empty"),
        ("session_data_config.streams", "1m", "'1m' where a list is required"),
        ("session_data_config.streams", ["ticks"], "add a bar interval"),
        ("session_data_config.historical.enable_quality", "yes", "true or false is required"),
        ("session_data_config.historical.data", {}, "an object where a list is required"),
        ("session_data_config.historical", [], "a list where an object: {...} is required"),
        ("session_data_config.bars.on_invalid", "skpi", "did you mean 'skip'?"),
        ("session_data_config.bars.completeness", "al", "must be one of 'any', 'complete'"),
        ("session_data_config.bars.base_interval", "2m", "'2m' does not divide the streams 1m, 5m, 15m"),
        ("trading_config.max_per_trade", 100001, "100001 is above max_buying_power 100000"),
        ("trading_config.max_per_symbol", 0, "must be above 0"),
        ("trading_config.max_open_positions", 0, "must be above 0"),
        ("api_config.data_api", "lcal", "did you mean 'local'?"),
        ("session_data_config.streaming.catchup_threshold_seconds", 0, "must be at least 1"),
        ("session_data_config.streaming.catchup_check_interval", 101, "must be at most 100"),
        ("session_data_config.gap_filler.max_retries", 21, "must be at most 20"),
        ("session_data_config.gap_filler.retry_interval_seconds", 0, "must be at least 1"),
        ("session_data_config.bars.no_trade", "expectd", "did you mean 'expected'?"),
        ("session_data_config.historical.indicators", [], "a list where an object"),
        ("session_data_config.historical.indicators.high_52w.type", "trailing_mx", "did you mean 'trailing_max'?"),
        ("session_data_config.historical.indicators.high_52w.period", "52x", "the nearest is '52d'"),
        ("session_data_config.historical.indicators.high_52w.period", 52, "52 where a period such as '10d'"),
        ("session_data_config.historical.indicators.high_52w.field", "hgh", "did you mean 'high'?"),
        ("session_data_config.historical.indicators.high_52w.granularity", "minute", "'minute' is for 'trailing_average'"),
        ("session_data_config.historical.indicators.high_52w.skip_early_close", True, "true is for 'trailing_average'"),
        ("session_data_config.historical.indicators.avg_volume.granularity", "minutes", "did you mean 'minute'?"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named_at_its_path(
    path: str, value: object, message: str
) -> None:
    assert message in errors_of(changed(path, value))[path]


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("symbols", ["AAPL", " "], "symbols[1]", "must hold printable characters"),
        ("symbols", ["AAPL", 5], "symbols[1]", "5 where text is required"),
        ("streams", ["1m", "1x"], "streams[1]", "followed by s, m, h, d or w"),
        ("streams", ["1m", "60s"], "streams[1]", "'60s' repeats '1m'"),
        ("streams", ["1m", "24h"], "streams[1]", "use '1d'"),
        ("streams", ["1m", "quote"], "streams[1]", "did you mean 'quotes'?"),
        ("historical.data.0.trailing_days", 0, "historical.data[0].trailing_days", "at least 1"),
        ("historical.data.0.intervals", ["quotes"], "historical.data[0].intervals[0]", "interval"),
        ("historical.data.0.apply_to", ["RVN"], "historical.data[0].apply_to[0]", "did you mean 'RIVN'?"),
    ],
)  # fmt: skip
def test_a_broken_rule_inside_a_list_names_the_position(
    path: str, value: object, where: str, message: str
) -> None:
    found = errors_of(changed(f"session_data_config.{path}", value))

    assert message in found[f"session_data_config.{where}"]


def test_a_backtest_needs_its_window() -> None:
    assert errors_of(changed("backtest_config", None))["backtest_config"].startswith(
        "missing"
    )


def test_a_key_in_the_wrong_place_is_told_its_place() -> None:
    found = errors_of(changed("streams", ["1m"]))

    assert found == {"streams": "unknown key; it belongs in session_data_config"}


def test_a_removed_key_says_why() -> None:
    found = errors_of(changed("session_data_config.quality_update_frequency", 1))

    assert list(found.values()) == ["removed; quality follows every bar"]


def test_the_rules_between_keys_hold_for_keyword_arguments_too() -> None:
    given = changed("backtest_config.end_date", "2025-07-01", SMALL)

    with pytest.raises(ValidationError, match="before start_date"):
        SessionConfig(**given)


def test_something_else_than_an_object_is_refused() -> None:
    assert errors_of([]) == {"": "a list where an object is required"}


def load_text(tmp_path: Path, text: str | bytes) -> SessionConfig:
    file = tmp_path / "session.json"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return SessionConfig.load(file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + json.dumps(SMALL).encode()

    assert load_text(tmp_path, text) == SessionConfig.from_dict(SMALL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: line 1, column 1"),
        ('{"a": 1,}', "not JSON: line 1"),
        ("[]", "the top level is a list; it must be an object"),
        ("null", "the top level is null"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "not JSON"),
        ('{"a": "' + "x" * 2**20 + '"}', "larger than 1 MiB"),
    ],
    ids=["empty", "comma", "list", "null", "bytes", "deep", "long integer", "large"],
)
def test_a_file_that_is_no_small_json_object_is_refused(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=r"session\.json: 1 error") as caught:
        load_text(tmp_path, text)

    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.json: 1 error\n  no such file"):
        SessionConfig.load(tmp_path / "absent.json")


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        SessionConfig.load(tmp_path)


REPEATED: list[tuple[Callable[[str], str], str, str]] = [
    (
        lambda t: t.replace('"mode"', '"mode": "backtest", "mode"'),
        "mode",
        "key comes twice",
    ),
    (
        lambda t: t.replace('"streams"', '"streams": ["1m"], "streams"'),
        "session_data_config.streams",
        "key comes twice",
    ),
    (
        lambda t: t.replace('"symbols"', '"bars": {"x": NaN}, "symbols"'),
        "session_data_config.bars.x",
        "NaN is not a finite number",
    ),
    (
        lambda t: t.replace('"mode"', '"metadata": {"n": [1, -1e999]}, "mode"'),
        "metadata.n[1]",
        "-1e999 is not a finite number",
    ),
]


@pytest.mark.parametrize(("change", "path", "message"), REPEATED)
def test_repeated_keys_and_numbers_json_does_not_have_are_errors(
    tmp_path: Path, change: Callable[[str], str], path: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, change(json.dumps(SMALL)))

    assert (path, message) in caught.value.errors  # type: ignore[operator]


def test_a_datetime_is_no_date_and_hides_no_other_fault() -> None:
    given = changed("backtest_config.start_date", datetime(2025, 7, 2, tzinfo=UTC))
    given = changed("backtest_config.end_date", "2025-7-7", given)

    assert errors_of(given) == {
        "backtest_config.start_date": "datetime is nothing that JSON can hold",
        "backtest_config.end_date": "'2025-7-7' is not a date; write YYYY-MM-DD",
    }


def test_a_key_of_another_form_of_symbols_is_told_to_go() -> None:
    both = {"file": __file__, "table": [{"symbol": "AAPL"}]}

    found = errors_of(changed("session_data_config.symbols", both))

    assert found["session_data_config.symbols.table"] == (
        "cannot stand beside the other key here; leave out one of them"
    )
