"""What is promised is there, and nothing else is."""

import importlib
import pkgutil

import pytest

import tapeloom


def test_all_names_what_is_visible() -> None:
    for name in tapeloom.__all__:
        assert getattr(tapeloom, name) is not None
    assert tapeloom.__all__ == sorted(tapeloom.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="relpay"):
        getattr(tapeloom, "relpay")  # noqa: B009  (mypy knows that it is not there)


def test_every_module_has_an_explicit_all_of_existing_names() -> None:
    for module in pkgutil.walk_packages(tapeloom.__path__, "tapeloom."):
        if module.name.endswith(("_core", "__main__", "sma_cross")):
            continue
        loaded = importlib.import_module(module.name)
        for name in loaded.__all__:
            assert hasattr(loaded, name), f"{module.name}.{name}"


def test_public_things_are_documented() -> None:
    for name in tapeloom.__all__:
        value = getattr(tapeloom, name)
        if callable(value):
            assert value.__doc__, name
