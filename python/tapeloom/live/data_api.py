"""Where a live run gets its data from: a feed, a source of history beside it; by the name that a configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from tapeloom.config.data_apis import ALPACA, LIVE, REPLAY, note_data_api
from tapeloom.errors import ArgumentTypeError, ConfigError
from tapeloom.live.alpaca import AlpacaFeed
from tapeloom.live.alpaca_client import ENVIRONMENT
from tapeloom.live.alpaca_history import AlpacaHistory
from tapeloom.live.credentials import is_set
from tapeloom.live.replayed_day import replayed_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.calendars.clock import Clock
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.history_source import HistorySource
    from tapeloom.live.feed import Feed
    from tapeloom.storage.bar_source import BarSource

__all__ = ["DataApi", "MakeDataApi", "data_api_of", "register_data_api"]

_OF_A_FEED = ("intervals", "channels", "connect", "events", "close")


@dataclass(frozen=True, slots=True)
class DataApi:
    """What a live run gets its data from.

    Parameters
    ----------
    feed
        Pushes what comes.
    history_source
        Who is asked for bars that are missing, and for bars of earlier days; ``None`` for nobody.
    clock
        The clock of what the feed pushes, for one that plays a day of the past; ``None`` is the wall clock.
    sessions
        After how many sessions it has nothing more to push; ``None`` if that is never.
    market
        Names the market of a rehearsal: its journals lie apart from others, and none of its bars are stored. ``None`` is the
        real one.

    Raises
    ------
    ArgumentTypeError
        If one of them lacks a method it must have.
    """

    feed: Feed
    history_source: HistorySource | None = None
    clock: Clock | None = None
    sessions: int | None = None
    market: str | None = None

    def __post_init__(self) -> None:
        lacking = [name for name in _OF_A_FEED if not hasattr(self.feed, name)]
        if lacking:
            text = f"feed is {type(self.feed).__name__}, which has no {', '.join(lacking)}; see tapeloom.live.Feed"
            raise ArgumentTypeError(text, got=self.feed)
        source = self.history_source
        if source is not None and not callable(getattr(source, "fetch", None)):
            text = f"history_source is {type(source).__name__}; it must have a method fetch(requests)"
            raise ArgumentTypeError(text, got=source)
        if self.clock is not None and not callable(getattr(self.clock, "now_ns", None)):
            text = (
                f"clock is {type(self.clock).__name__}; a clock has a method now_ns()"
            )
            raise ArgumentTypeError(text, got=self.clock)


MakeDataApi: TypeAlias = "Callable[[SessionConfig, TimeManager], DataApi]"
"""Makes it for one run; nothing is connected yet."""

_lock = Lock()
_makers: dict[str, MakeDataApi] = {}


def register_data_api(name: str, make: MakeDataApi) -> None:
    """Let configurations say ``"api_config": {"data_api": name}`` in this process.

    Parameters
    ----------
    name
        The word, which is not taken yet.
    make
        Called with the configuration and the time manager when a run starts.

    Raises
    ------
    ArgumentError
        If the name is blank or taken.
    ArgumentTypeError
        If ``make`` cannot be called.

    Examples
    --------
    >>> from tapeloom.live import AlpacaFeed, DataApi, register_data_api
    >>> def make(config, time_manager):
    ...     return DataApi(AlpacaFeed(key_of_keyring, secret_of_keyring))
    >>> register_data_api("alpaca_by_keyring", make)
    """
    if not callable(make):
        text = (
            f"make is {make!r}; it must be a function of configuration and time manager"
        )
        raise ArgumentTypeError(text, got=make)
    with _lock:
        note_data_api(name)
        _makers[name] = make


def data_api_of(
    config: SessionConfig, time_manager: TimeManager, stored: BarSource
) -> DataApi:
    """Return what a configuration names.

    Parameters
    ----------
    config
        A live configuration.
    time_manager
        Calendar and clock of the run.
    stored
        What is stored; ``"replay"`` plays the last day of it.

    Raises
    ------
    ConfigError
        If it names nothing.
    ArgumentError
        If there are no keys in the environment, or an address is of another kind.
    MissingDataError
        If there is nothing to replay.
    MissingDependencyError
        If the vendor's client is not installed.
    ArgumentTypeError
        If what is registered by the name makes something else.
    """
    if config.api_config is None:
        can = " or ".join(map(repr, LIVE))
        text = f"api_config.data_api: missing; a live run needs one, such as {can}, or SystemManager(data_api=...)"
        raise ConfigError(text)
    name = config.api_config.data_api
    if name == REPLAY:
        day = replayed_day(config, time_manager, stored)
        return DataApi(day.feed, clock=day.clock, sessions=1)
    if name == ALPACA:
        return _alpaca(config, time_manager)
    with _lock:
        make = _makers.get(name)
    if make is None:
        text = f"api_config.data_api: {name!r} cannot be live; use {' or '.join(map(repr, LIVE))}"
        raise ConfigError(text, got=name)
    made = make(config, time_manager)
    if not isinstance(made, DataApi):
        text = f"what is registered as {name!r} returned {type(made).__name__}; it must return a DataApi"
        raise ArgumentTypeError(text, got=made)
    return made


def _alpaca(config: SessionConfig, time_manager: TimeManager) -> DataApi:
    live = config.live
    if not is_set(ENVIRONMENT):
        (key, _), (secret, _) = ENVIRONMENT
        text = (
            f"api_config.data_api is {ALPACA!r}, and the environment has no keys of an account; "
            f"set {key} and {secret}, or register a data_api of your own that asks a keyring"
        )
        raise ConfigError(text, got=ALPACA)
    chosen: dict[str, Any] = {}
    if live.data_feed is not None:
        chosen["data_feed"] = live.data_feed
    feed = AlpacaFeed(
        url_override=live.url_override, clock=time_manager.clock, **chosen
    )
    return DataApi(
        feed, AlpacaHistory(url_override=live.history_url_override, **chosen)
    )
