"""The form of the content's YAML files: where it lies, and what its JSON Schemas say of it."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from mfagap.detect.document import Document, Key
from mfagap.errors import ContentError


def content() -> Path:
    """Return the folder of the content that ships with mfagap."""
    return Path(str(resources.files("mfagap"))) / "content"


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of ``<name>.yml``: of a ``detection`` or a ``runbook``."""
    return json.loads((content() / "schemas" / f"{name}.schema.json").read_text("utf-8"))


def form_errors(document: Document) -> Iterator[ContentError]:
    """Yield what in a document is not as the JSON Schema of its name says."""
    from jsonschema import Draft202012Validator

    # Its stubs leave iter_errors partly untyped.
    validator: Any = Draft202012Validator(schema(Path(document.file).stem))
    errors: list[Any] = list(validator.iter_errors(document.data))
    for error in sorted(errors, key=lambda e: list(map(str, e.path))):
        path: Key = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known: dict[str, Any] = error.schema["properties"]
            for key in sorted(set(error.instance) - set(known)):
                yield document.error(f"unknown key {key!r}", (*path, key))
        else:
            where = ".".join(str(part) for part in path)
            yield document.error(f"{where}: {error.message}" if where else error.message, path)


def list_problems(document: Document) -> Iterator[ContentError]:
    """Yield each row of the document's ``lists`` that has other columns than its list."""
    lists: dict[str, Any] = document.data["lists"]
    for name, content_list in lists.items():
        columns = set(content_list["columns"])
        for place, row in enumerate(content_list["rows"]):
            if set(row) != columns:
                message = f"a row of {name} needs exactly: {', '.join(sorted(columns))}"
                yield document.error(message, ("lists", name, "rows", place))
