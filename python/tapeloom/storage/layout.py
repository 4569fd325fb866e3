"""Where bars lie in a store: folders and file names, and symbols as folder names. It opens nothing."""

from __future__ import annotations

import re
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from tapeloom.errors import SymbolError

if TYPE_CHECKING:
    from tapeloom._core import Interval

__all__ = [
    "BARS",
    "QUOTES",
    "TRADES",
    "decode_symbol",
    "encode_symbol",
    "file_name",
    "is_shortened",
    "part_of",
    "series_folder",
]

BARS, QUOTES, TRADES = "bars", "quotes", "trades"
# Most file systems allow 255 bytes for a name; "symbol=" and some room are taken off.
LONGEST = 200
# What stands in for the end of a longer name. No other name holds a "~".
SHORTENED = re.compile(r"~[0-9a-f]{32}$")
# Windows opens a device where a file of one of these names is meant, whatever follows the first dot.
DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\.|$)")
PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def encode_symbol(symbol: str) -> str:
    """Return a symbol as a folder name.

    Every byte of its UTF-8 outside ``A-Z 0-9 . _ -`` is percent-encoded, lower-case letters too, since some disks do
    not tell them from upper-case ones; so are dots at the end, and the first letter of device names (``CON``).

    Parameters
    ----------
    symbol
        Any text but the empty one.

    Returns
    -------
    str
        A name from which ``decode_symbol`` gives the symbol back. No two symbols share one, on any disk. One of more
        than 200 characters is cut and ends in ``~`` and a digest of the symbol: the files below it say whose they are.

    Raises
    ------
    SymbolError
        If the symbol is empty or no Unicode text.
    """
    if not symbol:
        text = "symbol is empty; it must be text such as 'AAPL'"
        raise SymbolError(text, symbol=symbol)
    try:
        name = "".join(c if c in PLAIN else _percent(c) for c in symbol)
    except UnicodeEncodeError as error:
        text = f"symbol {symbol!r} holds half a character; it must be Unicode text"
        raise SymbolError(text, symbol=symbol) from error
    if DEVICES.match(name):
        name = _percent(name[0]) + name[1:]
    # Windows drops dots at the end; ``.`` and ``..`` are folders of their own everywhere.
    kept = name.rstrip(".")
    name = kept + "%2E" * (len(name) - len(kept))
    if len(name) > LONGEST:
        digest = "~" + blake2b(symbol.encode("utf-8"), digest_size=16).hexdigest()
        name = name[: LONGEST - len(digest)] + digest
    return name


def is_shortened(name: str) -> bool:
    """Whether a folder name stands for a symbol too long for one, so that only the files below it tell the symbol."""
    return SHORTENED.search(name) is not None


def decode_symbol(name: str) -> str:
    """Return the symbol of a folder name; the inverse of ``encode_symbol``.

    Raises
    ------
    SymbolError
        If a ``%`` is not followed by two hexadecimal digits, the bytes are no UTF-8, or the name was shortened.
    """
    if is_shortened(name):
        text = (
            f"folder name {name!r} was shortened; the files below it say whose they are"
        )
        raise SymbolError(text, symbol=name)
    if re.search(r"%(?![0-9A-Fa-f]{2})", name):
        text = f"folder name {name!r} has a '%' without two hexadecimal digits; write '%' as '%25'"
        raise SymbolError(text, symbol=name)
    try:
        return unquote_to_bytes(name).decode("utf-8")
    except UnicodeDecodeError as error:
        text = f"folder name {name!r} is no percent-encoded UTF-8"
        raise SymbolError(text, symbol=name) from error


def series_folder(group: Path, interval: Interval, symbol: str) -> Path:
    """Return the folder of one series below the folder of its exchange group."""
    return group / f"interval={interval.text}" / f"symbol={encode_symbol(symbol)}"


def file_name(day: date, interval: Interval) -> str:
    """Return the file that holds the bars of a session date: a month each, a year each for days and weeks."""
    return f"{day:%Y}.parquet" if interval.ns is None else f"{day:%Y-%m}.parquet"


def part_of(path: Path, key: str) -> str | None:
    """Return the value of the last ``key=value`` folder on a path, or ``None``."""
    prefix = f"{key}="
    for part in reversed(path.parts[:-1]):
        if part.startswith(prefix):
            return part.removeprefix(prefix)
    return None


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8"))
