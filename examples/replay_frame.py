"""Replay a table of minute bars without files or a config: run this file, or paste it cell by cell."""

# %% A table as it may come from anywhere: here one made-up symbol on a half day, with a hole.
from datetime import datetime, timedelta

import tapeloom

opening = datetime(2024, 11, 29, 9, 30)  # noqa: DTZ001 (naive: New York wall time)
minutes = [k for k in range(210) if k not in (42, 43)]
price = [100 + (k % 30) / 10 for k in minutes]
frame = {
    "symbol": ["ALDERA"] * len(minutes),
    "ts": [opening + timedelta(minutes=k) for k in minutes],
    **dict.fromkeys(("open", "high", "low", "close"), price),
    "volume": [500] * len(minutes),
}


# %% Replay it. Every call sees the session as it was known at that minute.
def on_bar(session: tapeloom.SessionData, bar: tapeloom.BarData) -> None:
    if bar.interval == "5m" and bar.volume < 2_500:
        session.record(
            bar.symbol, volume=bar.volume, quality=session.get_quality(bar.symbol)
        )


result = tapeloom.replay(frame, intervals=("1m", "5m"), analysis=on_bar)

# %% What came out.
print(result.bars, "bars,", result.missing, "missing, quality", result.quality)
print(result.records.to_list())
