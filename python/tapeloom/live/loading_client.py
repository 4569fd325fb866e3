"""Importing the vendor's client, which is an extra."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tapeloom.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["loading_client"]


@contextmanager
def loading_client() -> Iterator[None]:
    """Import the client within: without the warning about a module it still uses, and with an error that names the extra.

    Raises
    ------
    MissingDependencyError
        If the client is not installed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r"websockets\.", category=DeprecationWarning
        )
        try:
            yield
        except ImportError as error:
            text = "alpaca-py is not installed; run: pip install 'tapeloom[live]'"
            raise MissingDependencyError(text, extra="live") from error
