"""The SQL that reads LogEvents and projects them onto the columns of ``events``.

Built from ``fields`` alone, so that a new column is one line there. Reading is strict: DuckDB
stops at a line that is no JSON, an object in the wrong place or a key given twice, where its
``ignore_errors`` would drop the line or the field without a word. What stops it goes through
``normalize``, which counts and mends, and comes back here: one reading decides for every shape.
"""

import json
from collections.abc import Sequence
from typing import Any

from mfagap.lake.fields import DEBUG, IDENTITY, NO_ID, RECEIVED, SCALARS, Field

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""A longer line or value is rejected: twice DuckDB's default limit, which fits its buffers.

Okta's own events are a few KiB.
"""

_TARGET = (
    '[{"id": "VARCHAR", "type": "VARCHAR", "alternateId": "VARCHAR", "displayName": "VARCHAR", '
    '"detailEntry": {"policyType": "VARCHAR", "methodTypeUsed": "VARCHAR"}}]'
)
TIME = "epoch_ms(TRY_CAST(trim({}) AS TIMESTAMPTZ))"
"""UTC epoch milliseconds of a text; an offset counts, and none means UTC (the session's zone)."""


UUID_FORM = "[A-Za-z0-9._:-]{1,100}"
"""A ``uuid`` is named in every output; what has another form is no id."""


def quote(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _structure() -> dict[str, Any]:
    """Return the JSON structure of a LogEvent, as far as the projection looks at it."""
    structure: dict[str, Any] = dict.fromkeys((*IDENTITY, RECEIVED), "VARCHAR")
    for path in (field.path for field in SCALARS):
        below = structure
        for key in path[:-1]:
            below = below.setdefault(key, {})
        below[path[-1]] = "VARCHAR"
    return structure | {"debugContext": {"debugData": "JSON"}, "target": "JSON"}


def _type(structure: Any) -> str:
    """Return the DuckDB type of a JSON structure."""
    if isinstance(structure, str):
        return structure
    return f"STRUCT({', '.join(f'{key} {_type(below)}' for key, below in structure.items())})"


def reader(files: Sequence[str], layout: str, compression: str) -> str:
    """Return a table expression with one STRUCT ``event`` and its ``filename`` per value read.

    Args:
        files: Paths.
        layout: ``lines`` (NDJSON), ``array`` (one JSON array) or ``eventbridge`` (NDJSON whose
            ``detail`` is the event).
        compression: ``uncompressed``, ``gzip`` or ``zstd``.
    """
    structure = _structure()
    if layout == "eventbridge":
        columns, event = f"detail: {quote(_type(structure))}", "detail"
    else:
        columns = ", ".join(f"{name}: {quote(_type(below))}" for name, below in structure.items())
        event = "{" + ", ".join(f"{name}: {name}" for name in structure) + "}"
    names = ", ".join(quote(name) for name in files)
    shape = "array" if layout == "array" else "newline_delimited"
    return (
        f"(SELECT filename, {event} AS event FROM read_json([{names}], columns = {{{columns}}}, "
        f"filename = true, hive_partitioning = false, "
        f"format = '{shape}', compression = '{compression}'))"
    )


def _id(value: str) -> str:
    """Return the SQL that trims an id and makes NULL of what stands for none."""
    absent = ", ".join(quote(word) for word in NO_ID)
    return f"CASE WHEN lower(trim({value})) NOT IN ({absent}) THEN trim({value}) END"


def _clean(value: str, field: Field) -> str:
    """Return the SQL that cleans ``value`` (a VARCHAR expression) as ``field`` asks."""
    if field.clean == "id":
        return _id(value)
    if field.clean == "path":
        path = f"rtrim(split_part(lower(trim({value})), '?', 1), '/')"
        return f"nullif({path}, '')"
    if field.clean in ("bigint", "boolean"):
        return f"TRY_CAST({value} AS {field.sql_type})"
    return f"nullif(trim({value}), '')" if field.clean == "word" else f"nullif({value}, '')"


def _dotted(field: Field) -> str:
    return ".".join(field.path)


def _debug(field: Field) -> str:
    """Return the SQL for a debug value; a target may tell the method too (Identity Engine)."""
    value = f"debug.{_dotted(field)}"
    if field.column == "method_type_used":
        told = "lambda t: t.detailEntry.methodTypeUsed IS NOT NULL"
        return f"coalesce({value}, list_filter(targets, {told})[1].detailEntry.methodTypeUsed)"
    return value


def _debug_spec() -> dict[str, object]:
    """Return the ``from_json`` structure of ``debugData``, as far as the projection looks."""
    spec: dict[str, object] = dict.fromkeys(("behaviors", "risk", "amrList"), "VARCHAR")
    for field in DEBUG:
        head, *rest = field.path
        spec[head] = dict.fromkeys(rest, "VARCHAR") if rest else "VARCHAR"
    return spec


def _behavior(name: str) -> str:
    """Return the SQL for one of ``debugData.behaviors``, a ``{k=v, …}`` text and no JSON."""
    return f"nullif(regexp_extract(debug.behaviors, '[{{ ]{name}=([A-Z_]+)', 1), '')"


def _first_target(*types: str) -> str:
    wanted = ", ".join(quote(name) for name in types)
    return f"list_filter(targets, lambda t: lower(t.type) IN ({wanted}))[1]"


def usable(*, normalized: bool) -> str:
    """Return the SQL condition under which an ``event`` can be used as the reader delivered it.

    What has no identity, no readable time, or another type where ``debugData`` or ``target``
    belong goes through ``normalize``, which tells why. (Any other object of the wrong type has
    stopped the reader before.) So does what has neither actor nor outcome, which may hold them
    under flat keys; ``normalized`` says that it has been there.
    """
    identity = " AND ".join(
        f"regexp_matches(event.{name}, '^[\\s\\pZ]*[^\\s\\pZ{{\\[]')" for name in IDENTITY
    )
    return f"""({identity}
  AND regexp_full_match(trim(event.uuid), {quote(UUID_FORM)})
  AND {TIME.format("event.published")} IS NOT NULL
  AND ({str(normalized).lower()} OR event.actor IS NOT NULL OR event.outcome IS NOT NULL)
  AND coalesce(left(event.debugContext.debugData::VARCHAR, 1), '{{') IN ('{{', 'n')
  AND coalesce(left(event.target::VARCHAR, 1), '[') IN ('[', 'n')
  AND coalesce(len(list_filter(json_type(event.target, '$[*]'), lambda t: t <> 'OBJECT')), 0) = 0
) IS TRUE"""


def rereading() -> str:
    """Return a SELECT that reads one line (parameter ``$line``) leniently, as plain JSON.

    DuckDB takes what Python's parser does not: nesting of any depth, numbers of any length, a
    comma too many. It drops what has the wrong type. The second column leaves out the unknown
    keys of ``debugData`` and ``target``. No row where the line is no JSON, or no event.
    """
    plain, wrapped = _structure(), {"detail": _structure()}
    known = plain | {"debugContext": {"debugData": _debug_spec()}, "target": json.loads(_TARGET)}
    return f"""
SELECT event::VARCHAR, to_json(from_json(event, {quote(json.dumps(known))}))::VARCHAR
FROM (SELECT to_json(coalesce(inner_event, event)) AS event
      FROM (SELECT from_json($line, {quote(json.dumps(plain))}) AS event,
                   from_json($line, {quote(json.dumps(wrapped))}).detail AS inner_event
            WHERE json_valid($line)))
WHERE {" AND ".join(f"(event->>'{name}') IS NOT NULL" for name in IDENTITY)}"""


def projection(relation: str) -> str:
    """Return a SELECT of the ``events`` columns from ``relation`` (one STRUCT ``event``)."""
    scalars = [f"{_clean(f'event.{_dotted(f)}', f)} AS {f.column}" for f in SCALARS]
    debug = [f"{_clean(_debug(f), f)} AS {f.column}" for f in DEBUG]
    return f"""
SELECT
  trim(event.uuid) AS uuid,
  trim(event.eventType) AS event_type,
  {TIME.format("event.published")} AS event_ms,
  {TIME.format(f"event.{RECEIVED}")} AS received_ms,
  {", ".join(scalars)},
  {", ".join(debug)},
  {_behavior("New Device")} AS new_device,
  {_behavior("New IP")} AS new_ip,
  nullif(regexp_extract(debug.risk, '[{{ ]level=([A-Z_]+)', 1), '') AS risk_level,
  nullif(trim(regexp_replace(lower(debug.amrList), '[^a-z0-9_:.]+', ' ', 'g')), '') AS amr_list,
  coalesce({_id("idp.id")}, {_id("event.authenticationContext.issuer.id")}) AS idp_id,
  CASE WHEN lower(policy.detailEntry.policyType) = 'oktasignon' THEN 'session'
       WHEN policy.detailEntry.policyType IS NOT NULL THEN 'app'
       WHEN trim(rule.id) LIKE '0pr%' THEN 'session'
       WHEN trim(rule.id) LIKE 'plr%' OR trim(rule.id) LIKE 'rul%' THEN 'app' END AS policy_kind,
  {_id("policy.id")} AS policy_id,
  policy.displayName AS policy_name,
  {_id("rule.id")} AS rule_id,
  rule.displayName AS rule_name,
  target.type AS target_type,
  {_id("target.id")} AS target_id,
  {_id("target.alternateId")} AS target_login,
  target.displayName AS target_name,
  event.target::VARCHAR AS targets,
  event.debugContext.debugData::VARCHAR AS debug_data,
  NULL::VARCHAR AS raw
FROM (
  SELECT event, debug, targets,
         coalesce({_first_target("user")}, targets[1]) AS target,
         {_first_target("policyentity")} AS policy,
         {_first_target("policyrule", "rule")} AS rule,
         {_first_target("identityprovider")} AS idp
  FROM (
    SELECT event,
           from_json(event.debugContext.debugData, {quote(json.dumps(_debug_spec()))}) AS debug,
           from_json(event.target, {quote(_TARGET)}) AS targets
    FROM {relation}
  )
)"""
