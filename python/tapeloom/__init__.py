"""The data side of a trading session."""
