"""Whatever stands in a config, it is taken or refused with paths: nothing else is raised, and nothing hangs."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import fewer

from tapeloom.config import SessionConfig
from tapeloom.errors import ConfigError

if TYPE_CHECKING:
    import pytest

GOOD: dict[str, Any] = {
    "session_name": "fuzz",
    "mode": "backtest",
    "backtest_config": {
        "start_date": "2025-07-02",
        "end_date": "2025-07-07",
        "prefetch_days": 2,
    },
    "session_data_config": {
        "symbols": ["AAPL", "RIVN"],
        "streams": ["1m", "5m", "quotes"],
        "historical": {
            "data": [{"trailing_days": 3, "intervals": ["1m"], "apply_to": ["AAPL"]}],
            "indicators": {"high": {"type": "trailing_max", "period": "52w"}},
        },
        "indicators": {"sma": {"type": "sma", "period": 20, "interval": "15m"}},
    },
}
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1m", "all", "AAPL", "2025-07-02", "../../etc", "${HOME}", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["file", "table", "type", "period"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a config with each of its keys or positions."""
    keys = range(len(value)) if isinstance(value, list) else list(value)
    found = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


@fewer(1)
@given(data=st.data())
def test_odd_values_anywhere_are_taken_or_refused_with_their_paths(
    data: st.DataObject,
) -> None:
    given_config = copy.deepcopy(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        inside, key = data.draw(st.sampled_from(places(given_config)))
        inside[key] = data.draw(ODD)
    with suppress(ConfigError):
        SessionConfig.from_dict(given_config)


@fewer(1)
@given(seed=st.integers(0, 2**32), flips=st.integers(1, 6))
def test_a_file_with_other_bytes_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: int, flips: int
) -> None:
    rng = Random(seed)
    content = bytearray(json.dumps(GOOD).encode())
    for _ in range(flips):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("config") / "session.json"
    path.write_bytes(content)
    said = path.name
    try:
        SessionConfig.load(path)
    except ConfigError as error:
        said = str(error)
    assert path.name in said
