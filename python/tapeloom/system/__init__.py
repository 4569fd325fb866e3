"""Runs as a user starts them: the state machine around a run, and how its parts are put together."""

__all__: list[str] = []
