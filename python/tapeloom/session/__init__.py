"""One session after the other: queues, history, the order of phases, the user's analysis, what a run leaves behind."""

__all__: list[str] = []
