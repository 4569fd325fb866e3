"""Frames of the vendor's stream become events, and nothing that arrives raises or is lost."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom._core import bars_of_frame
from tapeloom.bars import BarData, normalise_symbol
from tapeloom.live import MalformedMessage, SymbolStatus, UpdatedBar
from tapeloom.live.alpaca_messages import event_of, messages_of
from tapeloom.live.server.wire import (
    bar_message,
    decode,
    encode,
    status_message,
    time_text,
)
from tapeloom.quotes import Quote, TickData
from tapeloom.statuses import TradingStatus
from tests.live.recorded import OPEN, bars_of

BAR = bars_of("AAPL", 1)[0]
STAMP = msgpack.Timestamp.from_unix_nano(OPEN + 123_456_789)


def packed_frame(messages: list[Any]) -> bytes:
    frame = encode(messages, packed=True)
    assert isinstance(frame, bytes)
    return frame


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("kind", "event"), [("b", BAR), ("u", UpdatedBar(BAR))])
def test_a_bar_comes_back_from_the_wire_as_it_was(
    kind: str, event: object, packed: bool
) -> None:
    frame = encode([bar_message(BAR, kind=kind)], packed=packed)
    assert [event_of(m) for m in messages_of(frame)] == [event]


def test_a_frame_of_bars_is_read_at_once_and_one_with_anything_else_is_not() -> None:
    bar = bar_message(BAR)
    status = status_message("AAPL", OPEN, is_halted=True)
    assert bars_of_frame(packed_frame([bar, bar])) == [BAR, BAR]
    assert messages_of(packed_frame([bar, bar])) == [BAR, BAR]
    assert messages_of(packed_frame([bar, status])) != [BAR, status]
    assert bars_of_frame(packed_frame([bar, status])) is None
    assert bars_of_frame(packed_frame([bar_message(BAR, kind="u")])) is None
    assert bars_of_frame(packed_frame([])) == []


def test_trades_and_quotes_keep_their_nanoseconds() -> None:
    trade = {"T": "t", "S": "AAPL", "t": STAMP, "p": 201.5, "s": 3, "x": "V", "i": 9}
    assert event_of(trade) == TickData("AAPL", OPEN + 123_456_789, 201.5, 3)
    quote = {"T": "q", "S": "AAPL", "t": STAMP, "bp": 1, "bs": 2, "ap": 3, "as": 4}
    assert event_of(quote) == Quote("AAPL", OPEN + 123_456_789, 1, 3, 2, 4)
    text = time_text(OPEN + 123_456_789)
    assert text == "2025-07-02T13:30:00.123456789Z"
    assert event_of(trade | {"t": text}) == event_of(trade)


@pytest.mark.parametrize(
    ("code", "state"),
    [("H", "halted"), ("P", "halted"), ("2", "halted"), ("T", "trading"), ("3", "trading")],
)  # fmt: skip
def test_the_codes_of_halts_and_resumptions_are_known(code: str, state: str) -> None:
    status = {"T": "s", "S": "AAPL", "t": STAMP, "sc": code, "sm": "Said", "rm": "Why"}
    event = event_of(status)
    assert isinstance(event, SymbolStatus)
    assert event == SymbolStatus(
        "AAPL", TradingStatus(OPEN + 123_456_789, state, "Said: Why")
    )


@pytest.mark.parametrize("kind", ["d", "l", "c", "x", "n", "o", "later"])
def test_what_a_session_has_no_place_for_is_no_event(kind: object) -> None:
    assert event_of({"T": kind, "S": "AAPL"}) is None


def test_a_code_that_begins_and_ends_no_halt_is_no_event() -> None:
    assert (
        event_of({"T": "s", "S": "A", "t": STAMP, "sc": "Q", "sm": "", "rm": ""})
        is None
    )


WHOLE = {"T": "b", "S": "AAPL", "t": STAMP, "o": 1.0, "h": 2, "l": 1, "c": 1, "v": 5}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"S": " "}, "symbol ' ' must hold printable characters"),
        ({"S": ""}, "symbol '' must hold printable characters"),
        ({"S": "AA\x00PL"}, r"symbol 'AA\x00PL' must hold printable characters"),
        ({"S": 7}, "symbol is int; it must be text"),
        ({"S": None}, "symbol is NoneType; it must be text"),
        ({"t": "noon"}, "must be such as"),
        ({"t": "2025-13-02T13:30:00Z"}, "month"),
        ({"t": "2025-07-02T13:30:00"}, "must be such as"),
        ({"t": 1751463000}, "it must be a timestamp"),
        ({"o": "much"}, "'o' is str; it must be a number"),
        ({"v": True}, "'v' is bool"),
    ],
)
def test_a_field_that_cannot_be_read_makes_a_malformed_message(
    change: dict[str, Any], reason: str
) -> None:
    event = event_of(WHOLE | change)
    assert isinstance(event, MalformedMessage)
    assert reason in event.reason
    assert event.source == "alpaca"


OF_EACH_KIND: dict[str, dict[str, Any]] = {
    "b": WHOLE,
    "u": WHOLE | {"T": "u"},
    "t": {"T": "t", "S": "AAPL", "t": STAMP, "p": 201.5, "s": 3},
    "q": {"T": "q", "S": "AAPL", "t": STAMP, "bp": 1, "bs": 2, "ap": 3, "as": 4},
    "s": {"T": "s", "S": "AAPL", "t": STAMP, "sc": "H", "sm": "", "rm": ""},
}


@pytest.mark.parametrize("kind", OF_EACH_KIND)
def test_a_symbol_may_be_spelt_in_any_way_and_not_be_none(kind: str) -> None:
    message = OF_EACH_KIND[kind]
    event = event_of(message)
    for spelt in ("aapl", " aapl ", "AAPL\n"):
        assert event_of(message | {"S": spelt}) == event
        (packed,) = messages_of(msgpack.packb([message | {"S": spelt}]))
        assert event_of(packed) == event
    none: list[object] = [None, 7, [], "", " ", "AA\x00PL", "\u200b"]
    for symbol in none:
        assert isinstance(event_of(message | {"S": symbol}), MalformedMessage)


def test_two_spellings_in_one_frame_are_one_symbol() -> None:
    messages = [WHOLE | {"S": spelt} for spelt in ("AAPL", "aapl", " AAPL")]
    found = [event_of(each) for each in messages_of(msgpack.packb(messages))]
    assert found == [event_of(WHOLE)] * 3


@pytest.mark.parametrize("name", ["S", "t", "o", "h", "l", "c", "v"])
def test_a_missing_field_is_named(name: str) -> None:
    event = event_of({key: WHOLE[key] for key in WHOLE if key != name})
    assert isinstance(event, MalformedMessage)
    assert event.reason == f"it lacks {name!r}"


def test_a_bar_with_values_that_make_no_sense_is_for_the_session_to_judge() -> None:
    event = event_of(WHOLE | {"h": -1, "v": -5})
    assert isinstance(event, BarData)
    assert (event.high, event.volume) == (-1, -5)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
shapes = st.fixed_dictionaries(
    {"T": st.sampled_from("butqs")},
    optional=dict.fromkeys(("S", "t", "o", "h", "l", "c", "v", "p", "s", "sc"), values)
    | dict.fromkeys(("bp", "ap", "bs", "as", "sm", "rm"), values),
)


@settings(max_examples=400)
@given(values | shapes)
def test_whatever_a_message_holds_it_is_an_event_or_none_and_never_raises(
    message: object,
) -> None:
    event = event_of(message)
    if isinstance(event, MalformedMessage):
        assert len(event.text) <= 200
        assert event.reason


@settings(max_examples=400)
@given(st.binary(max_size=200) | st.text(max_size=200) | values.map(msgpack.packb))
def test_a_frame_is_an_array_of_messages_or_a_value_error(frame: bytes | str) -> None:
    try:
        found = messages_of(frame)
    except ValueError:
        return
    assert isinstance(found, list)


numbers = (
    st.floats(allow_nan=False)
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=32, allow_nan=False)
)
instants = st.builds(
    msgpack.Timestamp,
    st.integers(-(2**34), 2**36) | st.integers(-(2**63), 2**63 - 1),
    st.just(0) | st.integers(0, 999_999_999),
)
names = st.sampled_from(
    ["AAPL", "BRK.B", "BTC/USD", "aapl", "brk.b", "aaPL", " AAPL ", "brk b", "Ä", " ", "A\x7f"]
)  # fmt: skip
whole_bars = st.fixed_dictionaries(
    {"T": st.just("b"), "S": names} | {"t": instants} | dict.fromkeys("ohlcv", numbers),
    optional=dict.fromkeys(("n", "vw", "later"), numbers | st.none() | values),
)
almost_bars = st.builds(
    lambda bar, change, without: {
        key: value for key, value in (bar | change).items() if key != without
    },
    whole_bars,
    shapes | st.just({}),
    st.sampled_from([*"TStohlcv", "none of them"]),
)


@settings(max_examples=500)
@given(
    st.lists(whole_bars | almost_bars, max_size=3),
    st.booleans(),
    st.binary(max_size=2),
    st.integers(0, 40),
)
def test_a_frame_read_at_once_gives_the_events_of_its_messages(
    messages: list[object], single: bool, added: bytes, cut: int
) -> None:
    try:
        frame = msgpack.packb(messages, use_single_float=single) + added
    except OverflowError:
        frame = msgpack.packb(messages) + added
    for given_frame in (frame, frame[: len(frame) - cut]):
        found = bars_of_frame(given_frame)
        if found is None:
            continue
        expected = [event_of(message) for message in msgpack.unpackb(given_frame)]
        assert all(type(event) is BarData for event in expected)
        assert all(bar.symbol == normalise_symbol(bar.symbol) for bar in found)
        assert list(map(fields_of, found)) == list(map(fields_of, expected))


@settings(max_examples=300)
@given(st.lists(whole_bars, min_size=1, max_size=3), st.data())
def test_a_frame_with_changed_bytes_is_read_as_its_messages_or_not_at_once(
    messages: list[object], data: st.DataObject
) -> None:
    frame = bytearray(msgpack.packb(messages))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    found = bars_of_frame(bytes(frame))
    if found is not None:
        expected = [event_of(message) for message in msgpack.unpackb(frame)]
        assert list(map(fields_of, found)) == list(map(fields_of, expected))


def fields_of(bar: object) -> tuple[object, ...]:
    """All that is said of a bar, with numbers as they are in memory: nan is nan."""
    assert isinstance(bar, BarData)
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    packed = struct.pack("<5d", *values)
    return bar.symbol, bar.ts, bar.interval, bar.flags, bar.constituents, packed


def test_a_length_that_the_frame_does_not_have_is_an_error_before_memory_is_taken() -> (
    None
):
    with pytest.raises(ValueError, match=r".*"):
        messages_of(b"\xdd\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="must be an array"):
        messages_of(b"\x80")
    with pytest.raises(ValueError, match="must be an array"):
        messages_of("{}")
    with pytest.raises(ValueError, match="too deeply"):
        messages_of("[" * 100_000)


@pytest.mark.parametrize("kind", [None, 7, [], {}])
def test_a_kind_that_is_no_text_makes_a_malformed_message(kind: object) -> None:
    assert isinstance(event_of({"T": kind}), MalformedMessage)


def test_times_of_a_frame_are_the_vendors_own_in_both_encodings() -> None:
    frame = encode([{"T": "b", "t": OPEN}], packed=False)
    assert json.loads(frame) == [{"T": "b", "t": "2025-07-02T13:30:00Z"}]
    packed = encode([{"T": "b", "t": OPEN}], packed=True)
    assert isinstance(packed, bytes)
    assert msgpack.unpackb(packed)[0]["t"].to_unix_nano() == OPEN
    with pytest.raises(ValueError, match="not a map"):
        decode("[]", packed=False)
