"""Loads an analysis named as ``FILE.py:Name`` on the command line."""

from __future__ import annotations

import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from tapeloom.errors import ArgumentError, did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["load_analysis"]


def load_analysis(place: str) -> object:
    """Return the function or instance that ``place`` names; a class is called without arguments.

    Parameters
    ----------
    place
        ``"path/to/file.py:Name"``. The folder of the file is searched for what the file imports, as it is when Python
        runs the file.

    Raises
    ------
    ArgumentError
        If file or name are missing, or the file or the class fails; the original exception is ``__cause__``.
    """
    path, name = _split(place)
    module = _import(path)
    if not hasattr(module, name):
        public = sorted(n for n in vars(module) if not n.startswith("_"))
        text = f"analysis {name!r} is not in {str(path)!r}{did_you_mean(name, public)}"
        raise ArgumentError(text, path=str(path), name=name)
    found: object = getattr(module, name)
    if not isinstance(found, type):
        return found
    try:
        made: object = found()
    except Exception as error:
        text = f"analysis class {name!r} cannot be made without arguments: {_reason(error, path)}; name a function or an instance"
        raise ArgumentError(text, path=str(path), name=name) from error
    return made


def _split(place: str) -> tuple[Path, str]:
    # From the right: a Windows path has a colon of its own.
    file, colon, name = place.rpartition(":")
    if not colon or not file or not name.isidentifier():
        given = place.rstrip(":") or "analysis.py"
        text = f"analysis {place!r} must be written as FILE.py:Name, for example {f'{given}:analyse'!r}"
        raise ArgumentError(text, place=place)
    path = Path(file)
    if not path.is_file():
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.py")))
        text = f"analysis file {file!r} does not exist{near}"
        raise ArgumentError(text, path=file)
    return path, name


def _import(path: Path) -> ModuleType:
    name = path.stem
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        text = f"analysis file {str(path)!r} is not a Python file; its name must end with .py"
        raise ArgumentError(text, path=str(path))
    module = module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    known = sys.modules.get(name)
    # Dataclasses look their module up by name while the file is still running.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if known is None:
            del sys.modules[name]
        else:
            sys.modules[name] = known
        text = f"analysis file {str(path)!r} cannot be loaded: {_reason(error, path)}"
        raise ArgumentError(text, path=str(path)) from error
    return module


def _reason(error: Exception, path: Path) -> str:
    """Return what went wrong and, where the file itself did it, in which of its lines."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    own = [
        f.lineno
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).name == path.name
    ]
    line = f"line {own[-1]}: " if own else ""
    return f"{line}{type(error).__name__}: {error}"
