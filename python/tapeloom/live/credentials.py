"""Keys of a vendor: where they come from, and that nothing shows them."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Credentials", "Secret", "SecretLike", "hidden", "is_set"]

_HIDDEN = "***"


class Secret:
    """A text that no representation, log line, pickle or JSON shows; ``reveal()`` does.

    Parameters
    ----------
    text
        What to hide, not blank.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no text, or blank. The message does not repeat it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ArgumentTypeError(
                f"a secret is {type(text).__name__}; it must be text"
            )
        if not text.strip():
            raise ArgumentError(
                "a secret is blank; give the key as the vendor shows it"
            )
        self._text = text.strip()

    def reveal(self) -> str:
        """Return the text itself, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"

    def __str__(self) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        text = (
            "a secret cannot be pickled; hand it over by the environment or a keyring"
        )
        raise ArgumentTypeError(text)


SecretLike: TypeAlias = "str | Secret | Callable[[], str]"
"""A key as text or ``Secret``, or a function that returns it, such as one that asks a keyring."""


def hidden(given: SecretLike | None) -> Secret | Callable[[], str] | None:
    """Return a text as ``Secret``, anything else as it is: so that not even a traceback with its variables shows it."""
    return Secret(given) if isinstance(given, str) else given


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and what proves that it is ours."""

    key: Secret
    secret: Secret

    @classmethod
    def found(
        cls,
        key: SecretLike | None,
        secret: SecretLike | None,
        *,
        names: tuple[tuple[str, ...], tuple[str, ...]],
        environment: Mapping[str, str] | None = None,
    ) -> Credentials:
        """Return the credentials given, or those of the environment.

        Parameters
        ----------
        key, secret
            As text, as ``Secret``, or a function that returns the text; ``None`` looks into the environment.
        names
            The environment's names for the key and for the secret, the first that is set counts.
        environment
            Where to look; by default the environment of this process.

        Raises
        ------
        ArgumentError
            If one of them is neither given nor set, is blank, or its function fails.
        """
        known = os.environ if environment is None else environment
        return cls(
            _found("key", key, names[0], known),
            _found("secret", secret, names[1], known),
        )

    def scrubbed(self, text: str) -> str:
        """Return a text without the key and the secret, wherever they stand in it."""
        for hidden in (self.secret, self.key):
            text = text.replace(hidden.reveal(), _HIDDEN)
        return text


def is_set(
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    environment: Mapping[str, str] | None = None,
) -> bool:
    """Return whether the environment has a key and a secret, under one of the names of each."""
    known = os.environ if environment is None else environment
    return all(any(known.get(name) for name in those) for those in names)


def _found(
    what: str,
    given: SecretLike | None,
    names: tuple[str, ...],
    environment: Mapping[str, str],
) -> Secret:
    if given is None:
        given = next(
            (environment[name] for name in names if environment.get(name)), None
        )
    if given is None:
        text = f"{what} is not given; give it, a function that returns it, or set {' or '.join(names)}"
        raise ArgumentError(text, parameter=what)
    if isinstance(given, Secret):
        return given
    if callable(given):
        given = _asked(what, given)
    if not isinstance(given, str):
        text = f"{what} is {type(given).__name__}; it must be text or a function that returns text"
        raise ArgumentTypeError(text, parameter=what)
    return Secret(given)


def _asked(what: str, ask: Callable[[], object]) -> str:
    try:
        answer = ask()
    except Exception as error:
        failed = type(error).__name__
    else:
        if isinstance(answer, Secret):
            return answer.reveal()
        if isinstance(answer, str):
            return answer
        failed = f"an answer of type {type(answer).__name__}"
    # Outside the handler: the failure of a keyring may hold what it was asked for, so it is not chained.
    text = f"{what}: the function that was to return it ended with {failed}; it must return text"
    raise ArgumentError(text, parameter=what)
