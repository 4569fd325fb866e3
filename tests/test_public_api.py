"""What is promised is there, and nothing else is."""

import importlib
import pkgutil

import tapeloom


def test_all_names_what_is_visible():
    for name in tapeloom.__all__:
        assert getattr(tapeloom, name) is not None
    assert tapeloom.__all__ == sorted(tapeloom.__all__)


def test_an_unknown_name_is_an_attribute_error():
    try:
        _ = tapeloom.relpay  # type: ignore[attr-defined]
    except AttributeError as error:
        assert "relpay" in str(error)
    else:
        raise AssertionError


def test_every_module_has_an_explicit_all_of_existing_names():
    for module in pkgutil.walk_packages(tapeloom.__path__, "tapeloom."):
        if module.name.endswith(("_core", "__main__", "sma_cross")):
            continue
        loaded = importlib.import_module(module.name)
        for name in loaded.__all__:
            assert hasattr(loaded, name), f"{module.name}.{name}"


def test_public_things_are_documented():
    for name in tapeloom.__all__:
        value = getattr(tapeloom, name)
        if callable(value):
            assert value.__doc__, name
