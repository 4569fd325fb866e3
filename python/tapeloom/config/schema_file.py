"""The JSON Schema of the configuration as a file of the package. ``python -m tapeloom.config.schema_file`` writes it anew."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

__all__ = ["generated_schema", "packaged_schema"]

_NAME = "session.schema.json"


def packaged_schema() -> str:
    """Return the text of the schema that comes with the package."""
    return (files("tapeloom.config") / _NAME).read_text(encoding="utf-8")


def generated_schema() -> str:
    """Return the same made from the models, as it should be in the file."""
    from tapeloom.config.session_config import SessionConfig

    return json.dumps(SessionConfig.json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name(_NAME).write_text(generated_schema(), encoding="utf-8")
