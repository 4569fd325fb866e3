"""Alert when a symbol has traded far more by now than it usually has by this minute of the day."""

import numpy as np

from tapeloom import BarData, SessionData

TIMES_USUAL = 1.5
FIRST_MINUTE = 5


class RelativeVolume:
    """One row per symbol and session: the minute of the alert, the volume so far, and how many times the usual it is."""

    def on_session_start(self, session: SessionData) -> None:
        """Add up what each minute of the day has on average, so that slot i is the usual volume of the first i + 1."""
        self.usual = {}
        for symbol in session.get_active_symbols():
            by_minute = session.get_historical_indicator(symbol, "avg_volume_intraday")
            self.usual[symbol] = np.nancumsum(by_minute)

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        """Compare the volume of the session with that of the usual one at the same minute."""
        usual = self.usual.get(bar.symbol)
        if usual is None or session.start_time is None:
            return
        minute = int((bar.end - session.start_time).total_seconds()) // 60
        if minute < FIRST_MINUTE or usual[minute - 1] == 0:
            return
        volume = session.get_session_metrics(bar.symbol)["session_volume"]
        ratio = volume / usual[minute - 1]
        if ratio >= TIMES_USUAL:
            session.record(bar.symbol, minute=minute, volume=volume, ratio=ratio)
            # One alert a session is enough.
            del self.usual[bar.symbol]
