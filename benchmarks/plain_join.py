"""The published rule's plain join over one NDJSON file, in several ways, to compare with.

Usage: python -m benchmarks.plain_join duckdb|orjson|json FILE

Each prints how many successful session starts with a ``102`` id have no factor under the same id.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

START = "user.session.start"
MFA = "user.authentication.auth_via_mfa"


def leanest(file: str) -> int:
    """Join in DuckDB: one typed pass over the file, which keeps what the join needs."""
    connection = duckdb.connect(config={"preserve_insertion_order": "false"})
    connection.execute(
        f"""
CREATE TEMP TABLE signins AS
SELECT uuid, eventType, published, actor.alternateId AS login, outcome.result AS result,
       authenticationContext.externalSessionId AS session_id
FROM read_json($file, format = 'newline_delimited', columns = {{
    uuid: 'VARCHAR', eventType: 'VARCHAR', published: 'VARCHAR',
    actor: 'STRUCT(alternateId VARCHAR)', outcome: 'STRUCT(result VARCHAR)',
    authenticationContext: 'STRUCT(externalSessionId VARCHAR)'}})
WHERE eventType = '{START}' OR eventType = '{MFA}'""",
        {"file": file},
    )
    ((count,),) = connection.execute(
        f"""
SELECT count(*) FROM signins AS s
WHERE eventType = '{START}' AND result = 'SUCCESS' AND session_id LIKE '102%'
  AND NOT EXISTS (FROM signins AS m WHERE m.eventType = '{MFA}' AND m.session_id = s.session_id)"""
    ).fetchall()
    return count


def loop(file: str, loads: Callable[[bytes], Any]) -> int:
    """Join in Python, one line at a time."""
    started: dict[str, int] = {}
    passed: set[str] = set()
    with Path(file).open("rb") as lines:
        for line in lines:
            event = loads(line)
            kind = event["eventType"]
            if kind == START:
                session = event["authenticationContext"]["externalSessionId"]
                if event["outcome"]["result"] == "SUCCESS" and session.startswith("102"):
                    started[session] = started.get(session, 0) + 1
            elif kind == MFA:
                passed.add(event["authenticationContext"]["externalSessionId"])
    return sum(count for session, count in started.items() if session not in passed)


def main() -> None:
    """Print the count."""
    way, file = sys.argv[1:]
    if way == "duckdb":
        print(leanest(file))
    else:
        print(loop(file, import_module(way).loads if way == "orjson" else json.loads))


if __name__ == "__main__":
    main()
