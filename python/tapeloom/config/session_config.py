"""The configuration of a session: its keys, their rules and defaults. It decides nothing that needs data."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from tapeloom.config.data_apis import LOCAL, check_data_api
from tapeloom.config.faults import Fault, config_error, faults_of, kind_of
from tapeloom.config.fields import (
    NotBlank,
    Part,
    PositiveLimit,
    TradingDate,
    fault,
)
from tapeloom.config.frozen import frozen
from tapeloom.config.json_values import broken_values
from tapeloom.config.live_config import LiveConfig
from tapeloom.config.rules import DATA, broken_rules
from tapeloom.config.session_data_config import SessionDataConfig
from tapeloom.config.universe import Universe, read_universe
from tapeloom.errors import StorageError, UnknownExchangeError
from tapeloom.json_file import read_object

__all__ = [
    "ApiConfig",
    "BacktestConfig",
    "LiveConfig",
    "Metadata",
    "SessionConfig",
    "TradingConfig",
]


def _known_group(name: str) -> str:
    # Building a calendar is slow; knowing its name is not.
    from tapeloom.calendars.exchange_group import resolve_exchange_group

    try:
        resolve_exchange_group(name)
    except UnknownExchangeError as error:
        # The path in front of the message names the parameter already.
        text = str(error).removeprefix("exchange_group is ")
        raise fault(text.replace(", which is no", " is no", 1)) from error
    return name


def _known_api(name: str) -> str:
    wrong = check_data_api(name)
    if wrong is not None:
        raise fault(wrong)
    return name


class BacktestConfig(Part):
    """The window of a backtest. Both dates are included; a day without trading is moved inwards."""

    start_date: TradingDate
    end_date: TradingDate
    speed_multiplier: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    prefetch_days: Annotated[int, Field(ge=1)] | None = None


class TradingConfig(Part):
    """Limits for the user's own trading: checked and kept, not used."""

    max_buying_power: PositiveLimit | None = None
    max_per_trade: PositiveLimit | None = None
    max_per_symbol: PositiveLimit | None = None
    max_open_positions: Annotated[int, Field(gt=0)] | None = None


class ApiConfig(Part):
    """Where data come from: ``"local"`` storage in a backtest; ``"alpaca"``, ``"replay"`` or a registered name in live.

    Keys are no part of it: they come from the environment or a keyring. ``trade_api`` and ``account_id`` are kept, not used.
    """

    data_api: Annotated[str, AfterValidator(_known_api)] = LOCAL
    trade_api: str | None = None
    account_id: str | None = None


class Metadata(Part):
    """Notes of the user; any keys are kept."""

    model_config = ConfigDict(extra="allow")

    created_by: str | None = None
    description: str | None = None
    strategy: str | None = None
    version: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _freeze(cls, given: object) -> object:
        # The keys of the user hold values of any form.
        return (
            {key: frozen(value) for key, value in given.items()}
            if isinstance(given, dict)
            else given
        )


class SessionConfig(Part):
    """The whole configuration, frozen. ``load`` and ``from_dict`` report every fault at once."""

    schema_uri: str | None = Field(default=None, alias="$schema")
    session_name: NotBlank
    exchange_group: Annotated[str, AfterValidator(_known_group)] = "US_EQUITY"
    asset_class: Literal["EQUITY", "OPTIONS", "FUTURES", "CRYPTO", "FX", "INDEX"] = (
        "EQUITY"
    )
    mode: Literal["backtest", "live"]
    backtest_config: BacktestConfig | None = None
    live_config: LiveConfig | None = None
    session_data_config: SessionDataConfig
    trading_config: TradingConfig | None = None
    api_config: ApiConfig | None = None
    metadata: Metadata | None = None

    _universe: Universe | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _rules_between_keys(self) -> SessionConfig:
        given = self.model_dump()
        _, broken = _with_universe(given, None)
        if broken:
            raise fault("; ".join(f"{f.where}: {f.message}" for f in broken))
        return self

    def __eq__(self, other: object) -> bool:
        # What was read from the file of symbols is no part of the configuration.
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    @property
    def live(self) -> LiveConfig:
        """``live_config``, or its defaults where it is not given."""
        return LiveConfig() if self.live_config is None else self.live_config

    @property
    def universe(self) -> Universe:
        """The symbols that are meant, as they were when the configuration was loaded.

        Raises
        ------
        ConfigError
            If the configuration was not made by ``load`` or ``from_dict`` and its file of symbols cannot be read.
        """
        if self._universe is None:
            given = self.model_dump(include={DATA})
            universe, faults = _with_universe(given, Path())
            if faults or universe is None:
                raise config_error("config", faults)
            self._universe = universe
        return self._universe

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SessionConfig:
        """Return the configuration in a JSON file.

        Parameters
        ----------
        path
            A JSON file in UTF-8, at most 1 MiB. A relative path of a file of symbols begins in its folder.

        Raises
        ------
        ConfigError
            If the file is missing or no JSON, or the configuration has faults: all of them, a line each, with their
            JSON path; ``.errors`` holds ``(path, message)``.
        """
        file = Path(path)
        given, faults = read_object(file, config_error)
        return cls._checked(given, file.name, faults, file.parent)

    @classmethod
    def from_dict(
        cls, given: Mapping[str, Any], *, name: str = "config"
    ) -> SessionConfig:
        """Return the configuration in a dict of JSON values; dates may be ``datetime.date``.

        Parameters
        ----------
        given
            Keys and values as in the file. A relative path of a file of symbols begins in the working directory.
        name
            What to call it in an error.

        Raises
        ------
        ConfigError
            If the configuration has faults: all of them; see ``load``.
        """
        if not isinstance(given, Mapping):
            text = f"{kind_of(given)} where an object is required"
            raise config_error(name, [Fault((), text)])
        return cls._checked(dict(given), name, [], Path())

    @classmethod
    def _checked(
        cls, given: dict[str, Any], name: str, faults: list[Fault], folder: Path
    ) -> SessionConfig:
        config = None
        broken, is_small = broken_values(given)
        faults = faults + broken
        if not is_small:
            raise config_error(name, faults)
        try:
            config = cls.model_validate(given)
        except ValidationError as error:
            known = {f.path for f in faults}
            # The rules between keys are reported below, each with its path, whatever else is wrong.
            found = [f for f in faults_of(error, cls) if f.path]
            faults = faults + [f for f in found if f.path not in known]
        universe, broken = _with_universe(given, folder)
        faults = faults + broken
        if config is None or faults:
            raise config_error(name, faults)
        config._universe = universe
        return config

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the configuration as a dict that ``from_dict`` takes; options are pydantic's."""
        return super().model_dump(**{"by_alias": True, **options})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was given as JSON, in place of the file at ``path``; ``load`` returns an equal configuration.

        Raises
        ------
        StorageError
            If the file cannot be written; what was there before stays.
        """
        file = Path(path)
        text = json.dumps(
            self.model_dump(mode="json", exclude_unset=True),
            indent=2,
            ensure_ascii=False,
        )
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("x", encoding="utf-8") as out:
                out.write(text + "\n")
            temporary.replace(file)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            reason = f"cannot write {str(file)!r}: {error.strerror or error}"
            raise StorageError(reason, path=str(file)) from error

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the configuration, for editors and other programs."""
        schema = cls.model_json_schema(by_alias=True)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _with_universe(
    given: Mapping[str, Any], folder: Path | None
) -> tuple[Universe | None, list[Fault]]:
    """Return the symbols that are meant and what breaks a rule between keys; without a folder no file is read."""
    data = given.get(DATA)
    symbols = data.get("symbols") if isinstance(data, Mapping) else None
    if folder is None and isinstance(symbols, Mapping) and "file" in symbols:
        return None, broken_rules(given)
    universe, faults = read_universe(symbols, folder or Path(), (DATA, "symbols"))
    return universe, [*faults, *broken_rules(given, universe)]
