"""``tapeloom doctor``: whether this machine has what tapeloom needs, each thing tried and not only looked up."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
import zoneinfo
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapeloom.cli.outcome import PROBLEMS, reported

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["doctor"]

_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(?:>=(?P<least>[\d.]+))?[^;]*(?:;.*extra == ['\"](?P<extra>\w+)['\"])?"
)

#: Packages that are imported by another name than they are installed by.
_IMPORTED_AS = {"alpaca-py": "alpaca"}


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one look found: ``state`` is ``"ok"``, ``"absent"`` for what nobody must have, or ``"problem"``."""

    name: str
    state: str
    found: str
    remedy: str = ""


def doctor(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with the bars.")
    ] = Path("data"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Look at versions, extras, zone data, calendars, CPU and write access; exit with 1 if something is wrong."""
    with reported(debug=debug):
        findings = list(_look(data))
        problems = [finding for finding in findings if finding.state == "problem"]
        if as_json:
            document = {
                "healthy": not problems,
                "findings": [asdict(finding) for finding in findings],
            }
            typer.echo(json.dumps(document, indent=2))
        else:
            width = max(len(finding.name) for finding in findings)
            for finding in findings:
                typer.echo(_line(finding, width))
            count = len(problems)
            noun = "problem" if count == 1 else "problems"
            typer.echo(f"\n{count} {noun}" if problems else "\nnothing is wrong")
        if problems:
            raise typer.Exit(PROBLEMS)


def _line(finding: _Finding, width: int) -> str:
    text = f"{finding.state:7}  {finding.name:{width}}  {finding.found}"
    return f"{text}; {finding.remedy}" if finding.remedy else text


def _look(data: Path) -> Iterator[_Finding]:
    from tapeloom.calendars.table_cache import cache_folder

    yield _Finding(
        "python", "ok", f"{platform.python_version()} ({platform.platform()})"
    )
    yield from _packages()
    yield _live_data()
    yield _zone_data()
    yield _calendar()
    yield _processors()
    yield _folder("data folder", data, remedy="name another one with --data")
    cache = cache_folder()
    if cache is None:
        yield _Finding("cache folder", "absent", "switched off by TAPELOOM_CACHE_DIR")
    else:
        remedy = "name another one in TAPELOOM_CACHE_DIR"
        yield _folder("cache folder", cache, remedy=remedy)


def _packages() -> Iterator[_Finding]:
    """Look at tapeloom itself, then at what it needs and at its extras."""
    try:
        version = metadata.version("tapeloom")
        requirements = metadata.requires("tapeloom") or []
    except metadata.PackageNotFoundError:
        remedy = "install it: pip install tapeloom"
        yield _Finding("tapeloom", "problem", "not installed, only found", remedy)
        return
    yield _Finding("tapeloom", "ok", version)
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is not None:
            yield _package(match["name"], match["least"] or "0", match["extra"])


def _package(name: str, least: str, extra: str | None) -> _Finding:
    about = f"{name} (extra {extra})" if extra else name
    wanted = f"tapeloom[{extra}]" if extra else f"{name}>={least}"
    remedy = f"pip install '{wanted}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        state = "absent" if extra else "problem"
        return _Finding(about, state, "not installed", remedy)
    if _numbers(version) < _numbers(least):
        return _Finding(
            about, "problem", f"{version}, older than {least}", f"{remedy} --upgrade"
        )
    try:
        import_module(_IMPORTED_AS.get(name, name.replace("-", "_")))
    except Exception as error:
        # Whatever a broken package raises is the finding.
        found = f"{version} cannot be loaded: {type(error).__name__}: {error}"
        return _Finding(about, "problem", found, f"{remedy} --force-reinstall")
    return _Finding(about, "ok", version)


def _live_data() -> _Finding:
    """Look which sources of live data can be used; keys are looked for and never shown."""
    from tapeloom.live.alpaca_client import ENVIRONMENT

    name, remedy = "live data", "pip install 'tapeloom[live]'"
    lacking = [package for package in _packages_of("live") if not _is_there(package)]
    if lacking:
        text = (
            f"'replay' can be used; 'alpaca' cannot, {', '.join(lacking)} not installed"
        )
        return _Finding(name, "absent", text, remedy)
    unset = [names[0] for names in ENVIRONMENT if not any(map(os.environ.get, names))]
    if unset:
        text = f"'replay' and 'alpaca' can be used, the latter with keys; {' and '.join(unset)} not set"
        return _Finding(name, "ok", text)
    return _Finding(name, "ok", "'replay' and 'alpaca' can be used, keys are set")


def _packages_of(extra: str) -> list[str]:
    try:
        requirements = metadata.requires("tapeloom") or []
    except metadata.PackageNotFoundError:
        return []
    found = [_REQUIREMENT.match(requirement) for requirement in requirements]
    return [match["name"] for match in found if match and match["extra"] == extra]


def _is_there(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version as numbers, as far as it has such."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return (*numbers, *(0,) * (3 - len(numbers)))


def _zone_data() -> _Finding:
    from tapeloom.calendars.exchange_group import group_zones
    from tapeloom.calendars.table_cache import zone_version

    names = sorted(group_zones())
    lost = []
    for name in names:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
            lost.append(name)
    if lost:
        text = f"no data for {', '.join(lost)}"
        return _Finding("zone data", "problem", text, "pip install tzdata")
    digest = zone_version(zoneinfo.ZoneInfo("America/New_York"))
    home = next((p for p in zoneinfo.TZPATH if Path(p, "UTC").is_file()), "tzdata")
    text = f"{len(names)} zones of {home}, New York {digest[:12]}"
    return _Finding("zone data", "ok", text)


def _calendar() -> _Finding:
    from tapeloom.calendars import TimeManager

    try:
        table = TimeManager("US_EQUITY").session_table
    except Exception as error:
        # Whatever a broken calendar raises is the finding.
        text = f"US_EQUITY cannot be built: {type(error).__name__}: {error}"
        return _Finding("calendar", "problem", text, "reinstall exchange_calendars")
    text = f"{table.calendar}, {len(table)} sessions, {table.fingerprint[:12]}"
    return _Finding("calendar", "ok", text)


def _processors() -> _Finding:
    all_of_them = os.cpu_count() or 1
    ours = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else all_of_them
    )
    bits = 64 if sys.maxsize > 2**32 else 32
    text = f"{platform.machine()}, {bits} bits, {ours} of {all_of_them} processors may be used"
    return _Finding("cpu", "ok", text)


def _folder(name: str, folder: Path, *, remedy: str) -> _Finding:
    """Look whether a folder can be written to, or made, by writing a file that is gone afterwards."""
    there = next(
        p for p in (folder.absolute(), *folder.absolute().parents) if p.exists()
    )
    if not there.is_dir():
        text = f"{str(folder)!r}: {str(there)!r} is a file"
        return _Finding(name, "problem", text, remedy)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        text = f"{str(there)!r} cannot be written to: {error.strerror or error}"
        return _Finding(name, "problem", text, remedy)
    state = "can be written to" if folder.exists() else "is not there yet, can be made"
    return _Finding(name, "ok", f"{str(folder)!r} {state}")
