"""Record where the 5-minute close crosses its 20-bar average."""

from tapeloom import BarData, SessionData


class SmaCross:
    """One row per crossing: the side, and the close at which it happened."""

    def __init__(self) -> None:
        self.above: dict[str, bool] = {}

    def on_bar(self, session: SessionData, bar: BarData) -> None:
        """Compare each 5-minute close with the average of the last twenty, those of earlier days included."""
        if bar.interval != "5m":
            return
        last = session.get_last_n_bars(bar.symbol, 20, "5m", scope="all")
        if len(last) < 20:
            return
        above = bar.close > last.close.mean()
        if above != self.above.get(bar.symbol, above):
            session.record(bar.symbol, side="buy" if above else "sell", price=bar.close)
        self.above[bar.symbol] = above
