"""Whatever way bars are written in, reading gives them back, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from tests.importing.made_up import MINUTE, OPEN
from tests.importing.memory_store import MemoryStore
from tests.reference.foreign_text import NAMES, Style, written

from tapeloom.importing import import_bars, mount

if TYPE_CHECKING:
    import pytest

NAIVE = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
)
# With its offset a time means the same wherever it was written.
AWARE = ("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S%z")
FIELDS = ("open", "high", "low", "close", "volume")

prices = st.floats(0.01, 1e6)
rows = st.tuples(prices, prices, prices, prices, st.floats(0, 1e12)).map(
    lambda p: (p[0], max(p[:4]), min(p[:4]), p[3], p[4])
)
zoned_forms = st.one_of(
    st.tuples(st.sampled_from(NAIVE), st.just("America/New_York")),
    st.tuples(
        st.sampled_from(AWARE),
        st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
    ),
    st.just(("", "UTC")),
)


@st.composite
def styles(draw: st.DrawFn) -> Style:
    form, zone = draw(zoned_forms)
    return Style(
        names=draw(st.sampled_from(NAMES)),
        order=tuple(draw(st.permutations(range(6)))),
        delimiter=draw(st.sampled_from([",", ";", "\t", "|"])),
        form=form,
        zone=zone,
        newest_first=draw(st.booleans()),
        extra=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
    )


@st.composite
def bars(draw: st.DrawFn) -> list[tuple[int, float, float, float, float, float]]:
    minutes = sorted(draw(st.sets(st.integers(0, 389), min_size=5, max_size=60)))
    return [(OPEN + MINUTE * m, *draw(rows)) for m in minutes]


@given(bars=bars(), style=styles())
def test_reading_undoes_writing(
    tmp_path_factory: pytest.TempPathFactory,
    bars: list[tuple[int, float, float, float, float, float]],
    style: Style,
) -> None:
    folder = tmp_path_factory.mktemp("foreign")
    path = folder / "AAPL.csv"
    path.write_bytes(written(bars, style).encode())
    store = MemoryStore(folder / "data")
    import_bars(path, into=store, interval="1m")
    for found in (
        store.bars["AAPL", "1m"],
        mount(path, interval="1m").read("AAPL", "1m", None, None),
    ):
        columns = [found.ts.tolist(), *(getattr(found, n).tolist() for n in FIELDS)]
        assert list(zip(*columns, strict=True)) == bars


@given(bars=bars(), style=styles())
def test_every_row_is_written_or_told_of(
    tmp_path_factory: pytest.TempPathFactory,
    bars: list[tuple[int, float, float, float, float, float]],
    style: Style,
) -> None:
    # Every third row is bad in its own way, and the first one comes twice.
    spoilt = [
        (t, -1.0, *v) if i % 3 == 2 else (t, o, *v) for i, (t, o, *v) in enumerate(bars)
    ]
    spoilt.append(spoilt[0])
    folder = tmp_path_factory.mktemp("foreign")
    path = folder / "AAPL.csv"
    path.write_bytes(written(spoilt, style).encode())  # type: ignore[arg-type]
    store = MemoryStore(folder / "data")
    report = import_bars(path, into=store, interval="1m")
    left_out = sum(f.count for f in report.findings if f.outcome == "left_out")
    (file,) = report.files
    assert file.offered == len(spoilt)
    assert file.bars + left_out == file.offered
    assert file.bars == len(store.bars["AAPL", "1m"]) == len(bars) - len(bars) // 3
