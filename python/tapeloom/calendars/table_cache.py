"""The folder in which session tables are kept between processes. It can always be deleted; nothing depends on it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import zlib
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom.calendars.table_file import (
    read_table_file,
    replace_file,
    write_table_file,
)
from tapeloom.errors import CalendarError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CACHE_VARIABLE",
    "cache_folder",
    "read_cached",
    "read_names",
    "write_cached",
    "write_names",
    "zone_version",
]

CACHE_VARIABLE = "TAPELOOM_CACHE_DIR"
"""Environment variable that names another folder; empty means no cache."""

_log = logging.getLogger("tapeloom.calendars")


def cache_folder() -> Path | None:
    """Return the folder, which need not exist yet; ``None`` if the cache is switched off."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named).expanduser() / "calendars" if named else None
    from platformdirs import user_cache_dir

    try:
        return Path(user_cache_dir("tapeloom", appauthor=False)) / "calendars"
    except RuntimeError as error:
        # Somebody without a home.
        _log.info("session tables are not cached: %s", error)
        return None


def read_cached(
    key: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, NDArray[np.int32]]] | None:
    """Return header and columns kept under a key, ``None`` if there are none that can be used."""
    path = _path(key)
    if path is None:
        return None
    try:
        head, columns = read_table_file(path)
    except FileNotFoundError:
        return None
    except (OSError, CalendarError) as error:
        _log.info("cached session table ignored: %s", error)
        return None
    # The name of the file is a digest of the key; the key itself leaves no doubt.
    return (head, columns) if head.get("key") == dict(key) else None


def write_cached(
    key: Mapping[str, str],
    header: Mapping[str, Any],
    columns: Mapping[str, NDArray[np.int32]],
) -> None:
    """Keep a table under a key. A folder that cannot be written is left alone."""
    path = _path(key)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table_file(path, {**header, "key": dict(key)}, columns)
    except OSError as error:
        _log.info("session table not cached: %s", error)


def read_names(source: str) -> dict[str, tuple[str, str]]:
    """Return code and zone of every name that a source was asked for before, on this machine and in this version."""
    path = _names_path(source)
    if path is None:
        return {}
    try:
        crc, text = path.read_bytes().split(b" ", 1)
        # A letter that fell over may name another calendar.
        if int(crc, 16) != zlib.crc32(text):
            return {}
        content = json.loads(text)
        return {
            str(name): (str(code), str(zone)) for name, (code, zone) in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_names(source: str, names: Mapping[str, tuple[str, str]]) -> None:
    """Remember code and zone of names. A folder that cannot be written is left alone."""
    path = _names_path(source)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(read_names(source) | dict(names)).encode()
        replace_file(path, b"%08x %s" % (zlib.crc32(text), text))
    except OSError as error:
        _log.info("calendar names not cached: %s", error)


def _names_path(source: str) -> Path | None:
    folder = cache_folder()
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", source)
    return None if folder is None else folder / f"{readable}.names"


def zone_version(zone: tzinfo) -> str:
    """Return a digest of what this machine knows about a zone, since clock changes are decided anew every year."""
    name = str(zone)
    for root in zoneinfo.TZPATH:
        try:
            return _digest(Path(root, name).read_bytes())
        except OSError:
            continue
    try:
        from importlib.resources import files

        parts = name.split("/")
        found = files("tzdata.zoneinfo").joinpath(*parts)
        return _digest(found.read_bytes())
    except (ImportError, OSError):
        return "unknown"


def _path(key: Mapping[str, str]) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    text = "\n".join(f"{name} {value}" for name, value in sorted(key.items()))
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key["calendar"]).strip("-")
    return folder / f"{readable}-{_digest(text.encode())}.table"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
