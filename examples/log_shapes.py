"""Writes events in each shape in which people hold Okta's log. Each function returns bytes."""

import csv
import gzip
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Event = dict[str, Any]


def _lines(values: Iterable[object]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def ndjson(events: Sequence[Event]) -> bytes:
    """One event a line."""
    return _lines(events)


def api_array(events: Sequence[Event]) -> bytes:
    """As GET /api/v1/logs answers."""
    return json.dumps(list(events)).encode()


def pretty_array(events: Sequence[Event]) -> bytes:
    """The same, indented, as people save it."""
    return json.dumps(list(events), indent=2).encode() + b"\n"


def event_hook(events: Sequence[Event]) -> bytes:
    """Event hooks: up to ten events in each delivery."""
    return _lines(
        {
            "eventType": "com.okta.event_hook",
            "eventTypeVersion": "1.0",
            "cloudEventsVersion": "0.1",
            "source": "https://org.example.com/api/v1/eventHooks/who1",
            "eventId": f"delivery-{first}",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "data": {"events": list(events[first : first + 10])},
        }
        for first in range(0, len(events), 10)
    )


def eventbridge(events: Sequence[Event]) -> bytes:
    """Log streaming to EventBridge, as it lands in a bucket."""
    return _lines(
        {
            "version": "0",
            "id": f"bridge-{event['uuid']}",
            "detail-type": "SystemLog",
            "source": "aws.partner/okta.example",
            "account": "000000000000",
            "time": "2026-01-01T00:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": event,
        }
        for event in events
    )


def elastic_original(events: Sequence[Event]) -> bytes:
    """Elastic documents that keep the event as text."""
    return _lines(
        {
            "@timestamp": event["published"],
            "event": {"original": json.dumps(event), "module": "okta"},
            "okta": {"uuid": event["uuid"], "event_type": event["eventType"]},
        }
        for event in events
    )


def elastic_okta(events: Sequence[Event]) -> bytes:
    """Elastic documents with the event parsed, in snake case."""
    return _lines(_elastic(event) for event in events)


def elastic_search(events: Sequence[Event]) -> bytes:
    """An answer of Elastic's search, whole."""
    hits = [{"_index": "logs-okta", "_source": _elastic(event)} for event in events]
    return json.dumps({"took": 3, "hits": {"total": {"value": len(hits)}, "hits": hits}}).encode()


def _elastic(event: Event) -> Event:
    okta = _snake(event)
    okta["client"]["ip"] = okta["client"].pop("ip_address")
    context = okta["security_context"]
    okta["security_context"] = {
        "as": {"number": context["as_number"], "organization": {"name": context["as_org"]}},
        "is_proxy": context["is_proxy"],
    }
    okta["debug_context"]["debug_data"] = {
        "flattened": event["debugContext"]["debugData"],
        "request_uri": event["debugContext"]["debugData"].get("requestUri"),
    }
    del okta["published"]
    return {"@timestamp": event["published"], "event": {"module": "okta"}, "okta": okta}


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): _snake(inner)
            for key, inner in cast("Event", value).items()
        }
    return [_snake(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def splunk_json(events: Sequence[Event]) -> bytes:
    """Splunk's JSON export."""
    return _lines(
        {"preview": False, "offset": place, "result": {"_raw": json.dumps(event), "host": "okta"}}
        for place, event in enumerate(events)
    )


def splunk_csv(events: Sequence[Event]) -> bytes:
    """Splunk's CSV export."""
    return _csv({"_time": event["published"], "_raw": json.dumps(event)} for event in events)


def sentinel_csv(events: Sequence[Event]) -> bytes:
    """A table of Sentinel, exported: flat columns with type suffixes."""
    return _csv(dict(_sentinel(event)) for event in events)


def _sentinel(event: Event) -> Iterator[tuple[str, str]]:
    yield "TimeGenerated [UTC]", "1/15/2026, 12:00:00.000 PM"
    for path, value in _flat(event, ()):
        text = value if isinstance(value, str) else json.dumps(value)
        name = "_".join(path)
        if value is not None:
            yield (f"{name}_g" if name == "uuid" else f"{name}_s"), text


def _flat(value: Event, prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(cast("Event", inner), (*prefix, key))
        else:
            yield (*prefix, key), inner


def panther(events: Sequence[Event]) -> bytes:
    """Panther rows: Okta's fields and Panther's own beside them."""
    return _lines(
        {**event, "p_log_type": "Okta.SystemLog", "p_event_time": event["published"]}
        for event in events
    )


def panther_lower(events: Sequence[Event]) -> bytes:
    """Panther rows from a warehouse that folds the case of keys; objects come as text."""
    return _lines(
        {
            key.lower(): json.dumps(value) if isinstance(value, dict | list) else value
            for key, value in event.items()
        }
        for event in events
    )


def parquet(events: Sequence[Event]) -> bytes:
    """Parquet with a column for each top-level field; objects as JSON text."""
    return parquet_of(ndjson(events), {key for event in events for key in event})


def parquet_of(lines: bytes, columns: Iterable[str]) -> bytes:
    """The same of NDJSON, whose objects stay as they are spelled."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "rows.ndjson"), Path(folder, "rows.parquet")
        source.write_bytes(lines)
        types = dict.fromkeys(sorted(columns), "VARCHAR")
        with duckdb.connect() as connection:
            rows = connection.read_json(str(source), columns=types, format="newline_delimited")
            rows.write_parquet(str(target))
        return target.read_bytes()


def _csv(rows: Iterable[dict[str, str]]) -> bytes:
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(listed)
    return out.getvalue().encode("utf-8", "replace")


SHAPES: tuple[Callable[[Sequence[Event]], bytes], ...] = (
    ndjson,
    api_array,
    pretty_array,
    event_hook,
    eventbridge,
    elastic_original,
    elastic_okta,
    elastic_search,
    splunk_json,
    splunk_csv,
    sentinel_csv,
    panther,
    panther_lower,
    parquet,
)
"""Every shape."""

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": zstd.compress,
}
"""Every packing, by the suffix that it usually has."""
