"""Symbols as folder names: reversible, apart on every disk, never outside the root."""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tapeloom.errors import SymbolError
from tapeloom.intervals import Interval
from tapeloom.storage.layout import (
    decode_symbol,
    encode_symbol,
    file_name,
    is_shortened,
    part_of,
    series_folder,
)

# What goes wrong on some disk or other, and everything else.
TRICKY = st.text(
    st.sampled_from("aAbBiIıİſsS./\\%:*?<>|\"' ~_-^cConNuUlL1\0é€𝔸"),
    min_size=1,
    max_size=12,
)
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15)
SYMBOLS = TRICKY | ANY


@given(symbol=SYMBOLS)
def test_a_folder_name_gives_its_symbol_back(symbol: str) -> None:
    assert decode_symbol(encode_symbol(symbol)) == symbol


@given(one=SYMBOLS, other=SYMBOLS)
def test_no_two_symbols_meet_on_a_disk_that_folds_case(one: str, other: str) -> None:
    assume(one != other)

    names = [encode_symbol(one), encode_symbol(other)]

    assert names[0].casefold() != names[1].casefold()
    assert names[0].lower() != names[1].lower()


@given(symbol=SYMBOLS)
def test_no_symbol_leaves_the_root(symbol: str) -> None:
    folder = series_folder(Path("root"), Interval("1m"), symbol)
    name = encode_symbol(symbol)

    assert (folder.parts[:2], len(folder.parts)) == (("root", "interval=1m"), 3)
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|\0 ')
    assert not name.endswith(".")
    assert PurePosixPath(name).parts == PureWindowsPath(name).parts == (name,)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK.B"),
        ("ES_201312", "ES_201312"),
        ("BTC/USD", "BTC%2FUSD"),
        ("^VIX", "%5EVIX"),
        ("A%B", "A%25B"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("A.", "A%2E"),
        ("CON", "%43ON"),
        ("LPT1.X", "%4CPT1.X"),
        ("CONE", "CONE"),
        ("aapl", "%61%61%70%6C"),
        ("Ä", "%C3%84"),
    ],
)
def test_names_are_readable_where_they_can_be(symbol: str, name: str) -> None:
    assert encode_symbol(symbol) == name


@given(
    symbol=st.text(st.characters(exclude_categories=["Cs"]), min_size=40, max_size=400)
)
def test_a_long_symbol_has_a_name_that_fits_and_is_its_own(symbol: str) -> None:
    name, other = encode_symbol(symbol), encode_symbol(symbol + "X")

    assert max(len(name), len(other)) <= 200
    assert name.casefold() != other.casefold()
    assert is_shortened(name) or decode_symbol(name) == symbol


def test_a_shortened_name_is_not_decoded() -> None:
    with pytest.raises(SymbolError, match="shortened"):
        decode_symbol(encode_symbol("€" * 1_400))


@pytest.mark.parametrize("symbol", ["", "\ud800"])
def test_a_symbol_that_fits_no_folder_name_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolError):
        encode_symbol(symbol)


@pytest.mark.parametrize("name", ["A%", "A%2", "A%GG", "%FF"])
def test_a_name_that_is_not_encoded_is_refused(name: str) -> None:
    with pytest.raises(SymbolError, match="folder name"):
        decode_symbol(name)


def test_a_name_of_another_writer_is_read() -> None:
    assert decode_symbol("btc%2fusd") == "btc/usd"


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        ("1s", "2025-07.parquet"),
        ("4h", "2025-07.parquet"),
        ("1d", "2025.parquet"),
        ("2w", "2025.parquet"),
    ],
)
def test_files_hold_a_month_or_a_year(interval: str, name: str) -> None:
    assert file_name(date(2025, 7, 2), Interval(interval)) == name


def test_the_last_folder_of_a_key_counts() -> None:
    path = Path("interval=1d/x/interval=1m/symbol=A=B/interval=9m.parquet")

    assert (part_of(path, "interval"), part_of(path, "symbol")) == ("1m", "A=B")
    assert part_of(path, "market") is None
