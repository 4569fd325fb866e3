"""The log of a session's life: one line per step, with an id that stays the same from version to version.

Lines go to the logger ``tapeloom.session_flow``. Each holds ``event`` and ``phase``, and where they apply ``symbol``, ``bars``
and ``seconds``, as attributes of its record.
"""

from __future__ import annotations

import logging

__all__ = ["flow", "flow_error", "flow_warning", "is_told"]

_log = logging.getLogger("tapeloom.session_flow")


def is_told(level: int) -> bool:
    """Return whether anybody hears lines of a level, so that what goes into them is worth finding out."""
    return _log.isEnabledFor(level)


def flow(
    step: str,
    text: str,
    *args: object,
    level: int = logging.INFO,
    stacklevel: int = 1,
    **fields: object,
) -> None:
    """Write the line of a step.

    Parameters
    ----------
    step
        Its id, such as ``"2.a"`` or ``"PHASE_2.1"``.
    text, args
        What happened, as ``logging`` formats it.
    level
        INFO for what happens once a session or run; what happens once a symbol is DEBUG.
    stacklevel
        Whose line of code it is: 1 is the caller's. Filters that drop what one line says again must not drop other steps.
    fields
        Facts for programs, kept in the record.
    """
    if _log.isEnabledFor(level):
        extra = {"event": step, "phase": _phase(step), **fields}
        # The message names the step, so that lines are told apart whatever shows them.
        _log.log(
            level,
            f"[SESSION_FLOW] {step}: {text}",
            *args,
            extra=extra,
            stacklevel=stacklevel + 1,
        )


def flow_warning(step: str, text: str, *args: object, **fields: object) -> None:
    """Write that a step met something a user will want to know."""
    flow(f"{step}.WARNING", text, *args, level=logging.WARNING, stacklevel=2, **fields)


def flow_error(step: str, text: str, *args: object, **fields: object) -> None:
    """Write that a step failed."""
    flow(f"{step}.ERROR", text, *args, level=logging.ERROR, stacklevel=2, **fields)


def _phase(step: str) -> str:
    """Return the phase a step belongs to, such as ``"PHASE_2"``; the step itself outside the phases."""
    at = step.find("PHASE_")
    return step if at < 0 else step[at : at + len("PHASE_n")]
