"""Run the fake org for a demonstration: ``python -m tests.fake_okta --demo``.

It prints what the environment needs, so that mfagap reads from it and, with ``--manage``, writes to
it: in another shell, ``eval`` those lines and call ``mfagap harden report build/demo/logs --api``.
"""

import argparse
import json
from pathlib import Path
from threading import Event
from typing import Any

from tests.cli.demo import org
from tests.fake_okta.server import MANAGE_SCOPES, READ_SCOPES, TOKEN, FakeOkta


def _read(file: Path) -> list[Any]:
    """Return the events of ``file``: a JSON array, or one event a line."""
    text = file.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fake_okta",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--token", default=TOKEN, help="the API token that is accepted")
    parser.add_argument(
        "--events",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="its log: a JSON array, or one event a line; may be given more than once",
    )
    held_by = parser.add_mutually_exclusive_group()
    held_by.add_argument(
        "--policies",
        type=Path,
        metavar="FILE",
        help="what the org holds: a JSON object of what FakeOkta takes, such as policies and rules",
    )
    held_by.add_argument("--demo", action="store_true", help="it holds the demo org's policies")
    parser.add_argument("--manage", action="store_true", help="the token may change policies")
    parser.add_argument("--limit", type=int, help="requests a minute")
    options = parser.parse_args()
    held: dict[str, Any] = org() if options.demo else {}
    if options.policies:
        held = json.loads(options.policies.read_text(encoding="utf-8"))
    scopes = MANAGE_SCOPES if options.manage else READ_SCOPES
    with FakeOkta(
        options.token, port=options.port, limit=options.limit, scopes=scopes, **held
    ) as okta:
        for file in options.events:
            okta.add(_read(file))
        print(f"export OKTA_CLIENT_ORGURL={okta.url} OKTA_CLIENT_TOKEN={options.token}", flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
