"""Run the fake org for a demonstration: ``python -m tests.fake_okta --token T [--events FILE]``."""

import argparse
import json
from pathlib import Path
from threading import Event
from typing import Any

from tests.fake_okta.server import TOKEN, FakeOkta


def _read(file: Path) -> list[Any]:
    """Return the events of ``file``: a JSON array, or one event a line."""
    text = file.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_okta")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--token", default=TOKEN, help="the API token that is accepted")
    parser.add_argument("--events", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--policies", type=Path, metavar="FILE", help="what the org holds, as JSON")
    parser.add_argument("--limit", type=int, help="requests a minute")
    options = parser.parse_args()
    held: dict[str, Any] = json.loads(options.policies.read_text()) if options.policies else {}
    with FakeOkta(options.token, port=options.port, limit=options.limit, **held) as okta:
        for file in options.events:
            okta.add(_read(file))
        print(okta.url, flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
