"""The SQL that reads LogEvents and projects them onto the columns of ``events``.

Built from ``fields``: a new column is one line there; a computed one has its paths in ``DERIVED``
there and its SQL in ``expressions``. Reading is strict: DuckDB stops at what is no JSON, and an
event with an object in the wrong place or a key given twice is called spoiled, where a lenient
reader would drop the field without a word. Both go through ``normalize``, which counts and mends,
and come back here: one reading decides for every shape.
"""

import json
import re
from collections.abc import Iterable, Sequence, Set
from typing import Any

from mfagap.lake.fields import (
    COLUMNS,
    DEBUG,
    DEBUG_DATA,
    DEBUG_KEYS,
    DERIVED,
    IDENTITY,
    NO_ID,
    OBJECTS,
    RECEIVED,
    SCALARS,
    TARGET,
    Field,
    Path,
)
from mfagap.lake.streams import Kind

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""A larger event is rejected: half of DuckDB's default limit, so that it fits a small memory.

Okta's own events are a few KiB.
"""

_TARGETS = (
    '[{"id": "VARCHAR", "type": "VARCHAR", "alternateId": "VARCHAR", "displayName": "VARCHAR", '
    '"detailEntry": {"policyType": "VARCHAR", "methodTypeUsed": "VARCHAR"}}]'
)
TIME = "epoch_ms(TRY_CAST(trim({}) AS TIMESTAMPTZ))"
"""UTC epoch milliseconds of a text; an offset counts, and none means UTC (the session's zone)."""


PAD = r"[\pZ\p{Cc}\p{Cf}\x{2800}\x{3164}\x{FFA0}]"
"""A character that may stand around an id or a word and shows nothing, as DuckDB's patterns say."""

MAX_VALUE = 1000
"""Characters of one value. A longer one keeps its beginning, an ellipsis and the MD5 of its whole:
what one client sends cannot fill the memory, and different ids stay different."""

_CUT = f"left({{0}}, {MAX_VALUE - 33}) || '…' || md5({{0}})"
WAS_CUT = f"(length({{0}}) = {MAX_VALUE} AND {{0}}[{MAX_VALUE - 32}] = '…')"
SQL_TYPES = (
    dict.fromkeys(COLUMNS, "VARCHAR")
    | {field.column: field.sql_type for field in (*SCALARS, *DEBUG)}
    | dict.fromkeys(("event_ms", "received_ms", "event_day"), "BIGINT")
)
"""The type of each column of ``events``."""

TEXT_COLUMNS = frozenset(name for name, kind in SQL_TYPES.items() if kind == "VARCHAR").difference(
    ("targets", "debug_data", "raw")
)
"""Columns that are cut: JSON text would be no JSON any more."""

UUID_FORM = "[A-Za-z0-9._:-]{1,100}"
"""A ``uuid`` is named in every output; what has another form is no id."""


ALWAYS = frozenset(
    (
        *("uuid", "event_type", "event_ms", "received_ms"),
        *("actor_id", "outcome_result", "session_id", "request_uri"),
    )
)
"""Columns that are read whatever is asked for: they tell deliveries of one event apart."""

DAY_MS = 24 * 60 * 60 * 1000
"""``event_day`` counts whole days (UTC) since the epoch, so that no query has to divide."""

EVERY = "true"
"""The condition under which events of every type are kept."""

LINE_BYTES = 2 * 1024 * 1024
"""A longer line takes the long way; it costs buffers of eight times its length."""

MANY_KEYS = 200
"""An object of more keys takes the long way, since to look for repeats takes the square of that."""

_TWICE = (
    f"CASE WHEN len(names) > {MANY_KEYS} THEN true "
    "ELSE len(list_filter(names, lambda name, place: list_position(names, name) < place)) > 0 END"
)

_OFTEN_EMPTY = (("authenticationContext", "issuer"), ("transaction", "detail"))
"""Objects of which most events say nothing."""
_FIRST_TARGET = (f"{TARGET[0]}[0]", "type")

_ENVELOPE = (
    *("version", "id", "detail-type", "source", "account", "time", "region", "resources"),
    "detail",
)
"""What EventBridge writes around an event. Of a line with more, ``detail`` may not be all."""


def quote(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def named_in(*texts: str) -> frozenset[str]:
    """Return the columns of ``events`` whose names stand as words anywhere in ``texts`` (SQL).

    What a query does not name it cannot read: ``*`` only passes on what is named elsewhere.
    """
    words = {word for text in texts for word in re.findall(r"\w+", text.lower())}
    return frozenset(words.intersection(COLUMNS))


_TRIMMED = frozenset(
    (
        *(field.path for field in SCALARS if field.clean in ("id", "word")),
        *((*DEBUG_DATA, *f.path) for f in DEBUG if f.clean in ("id", "word", "path")),
        ("eventType",),
    )
)
"""Paths whose values are trimmed."""


def _paths(columns: Set[str]) -> list[Path]:
    """Return the paths of a LogEvent that ``columns`` look at, in a stable order."""
    reads: dict[str, tuple[Path, ...]] = {field.column: (field.path,) for field in SCALARS}
    reads |= {field.column: ((*DEBUG_DATA, *field.path),) for field in DEBUG}
    reads |= DERIVED
    named = {path for name in columns for path in reads.get(name, ())}
    return [*((key,) for key in IDENTITY), *sorted(named)]


def _json_paths(paths: Iterable[Path], inside: str) -> str:
    return "[" + ", ".join(quote(".".join((inside, *path))) for path in paths) + "]"


def reading(kind: Kind, relevant: str, columns: Set[str], *, normalized: bool = False) -> str:
    """Return a SELECT of a row for each value in files: ``spoiled, event_ms, kept, text``.

    Its parameter ``$files`` is a list of their paths, so that the text can be parsed once for all.

    ``kept`` holds the values that ``columns`` look at, as a list of texts, and is empty where the
    event is not relevant. ``text`` is the event as it was written. ``spoiled`` is the file's name
    where the event cannot be used as it is:

    - it has no identity or no readable time, or more stands beside it than EventBridge writes
    - it is relevant, and its id has another form, or another type stands where Okta has an object
    - it is relevant and lacks actor and outcome, or one that may stand under a flat key, or gives
      a key twice (``normalized`` says that this was looked after)

    Args:
        kind: How they are packed: ``lines`` (NDJSON), ``array`` (one JSON array) or
            ``eventbridge`` (NDJSON whose ``detail`` is the event).
        relevant: The SQL condition on ``event_type`` under which an event is kept.
        columns: Of ``events``.
        normalized: Whether they come from ``normalize``, which makes lines of any length.
    """
    inside = "$.detail" if kind.layout == "eventbridge" else "$"
    paths = _paths(columns)
    if relevant == EVERY and not normalized:
        paths += [*_OFTEN_EMPTY, _FIRST_TARGET]
    whole = _json_paths(paths, inside)
    # One look at the text for both, where all of it is looked at in any case.
    names = whole if relevant == EVERY else _json_paths(paths[: len(IDENTITY)], inside)
    kept = "names" if relevant == EVERY else f"json_extract_string(text, {whole})"
    own = "text" if inside == "$" else f"json_extract_string(text, '{inside}')"
    alone = "" if inside == "$" else f" AND list_has_all({list(_ENVELOPE)}, json_keys(text))"
    return f"""
WITH
read AS (SELECT filename, text FROM {_texts(kind, normalized=normalized)}),
named AS (SELECT filename, text, json_extract_string(text, {names}) AS names FROM read),
sorted AS (
  SELECT filename, text, names, names[1] AS uuid, names[3] AS event_type,
         {TIME.format("names[2]")} AS event_ms
  FROM named
),
judged AS (SELECT *, {relevant} AS relevant FROM sorted),
extracted AS (
  SELECT *, CASE WHEN relevant THEN {kept} ELSE [] END AS kept
  FROM judged
)
SELECT
  CASE WHEN ({_named("uuid")} AND {_named("event_type")} AND event_ms IS NOT NULL{alone}
             AND CASE WHEN relevant THEN {_sound(paths, inside, normalized=normalized)}
                      ELSE true END) IS NOT TRUE THEN filename END AS spoiled,
  event_ms, kept, {own} AS text
FROM extracted"""


def _texts(kind: Kind, *, normalized: bool) -> str:
    """Return a table expression of the JSON texts in ``$files``: ``filename, text``.

    The CSV reader finds lines in half the time that the JSON reader takes to parse them. One
    column and no delimiter: a control character, which JSON cannot have, is an error.
    """
    packed = f"compression = '{kind.compression}', filename = true, hive_partitioning = false"
    if kind.layout == "array" or normalized:
        shape = "array" if kind.layout == "array" else "newline_delimited"
        return (
            f"(SELECT filename, json::VARCHAR AS text "
            f"FROM read_json_objects($files, format = '{shape}', "
            f"maximum_object_size = {MAX_EVENT_BYTES}, {packed}))"
        )
    return (
        f"read_csv($files, columns = {{text: 'VARCHAR'}}, auto_detect = false, header = false, "
        f"delim = '\x01', quote = '', escape = '', comment = '', "
        f"max_line_size = {LINE_BYTES}, buffer_size = {8 * LINE_BYTES}, {packed})"
    )


def _named(value: str) -> str:
    """Return the SQL that an identity is neither blank nor an object or a list.

    A first letter or digit settles it; what begins otherwise is looked at more closely.
    """
    plain = f"({value} BETWEEN '0' AND 'Z' OR {value} BETWEEN 'a' AND 'z')"
    closely = f"regexp_matches({value}, '^[\\s\\pZ]*[^\\s\\pZ{{\\[]')"
    return f"CASE WHEN {plain} THEN true ELSE {closely} END"


def _sound(paths: Sequence[Path], inside: str, *, normalized: bool) -> str:
    """Return the SQL condition that a relevant event has the form that Okta gives it."""
    objects = _json_paths((*OBJECTS, TARGET), inside)
    wanted = f"CASE WHEN place > {len(OBJECTS)} THEN 'ARRAY' ELSE 'OBJECT' END"
    wrong = f"list_filter(json_type(text, {objects}), lambda t, place: t NOT IN ('NULL', {wanted}))"
    tests = [
        f"regexp_full_match(trim(uuid), {quote(UUID_FORM)})",
        f"CASE WHEN {_shown(paths)} THEN true ELSE len({wrong}) = 0 END",
    ]
    if TARGET in paths:
        entries = f"json_type({_value(paths, TARGET)}, '$[*]')"
        tests.append(f"coalesce(len(list_filter({entries}, lambda t: t <> 'OBJECT')), 0) = 0")
    if not normalized:
        tests.append(_own_spelling(paths, inside))
        tests.append(f"len(list_filter({_keys(inside)}, lambda names: {_TWICE})) = 0")
    return " AND ".join(tests)


def _shown(paths: Sequence[Path]) -> str:
    """Return the SQL condition that what was read shows every object to be one, and the targets.

    A value below it shows that; of what is not shown, the type is asked, which takes as long as to
    read all values. What is often empty is spelled ``{}``, or is a text that says as little.
    """
    if _FIRST_TARGET not in paths or TARGET not in paths:
        return "false"
    listed = f"{_value(paths, TARGET)} IS NULL OR {_value(paths, _FIRST_TARGET)} IS NOT NULL"
    shown = [f"({listed})"]
    for path in OBJECTS:
        below = (p for p in paths if p[:-1][: len(path)] == path)
        value = f"coalesce({', '.join(('NULL', *(_value(paths, p) for p in below)))})"
        if path in _OFTEN_EMPTY:
            nothing = f"coalesce({_value(paths, path)}, '{{}}') = '{{}}'"
            shown.append(f"CASE WHEN {value} IS NULL THEN {nothing} ELSE true END")
        else:
            shown.append(f"{value} IS NOT NULL")
    return " AND ".join(shown)


def _own_spelling(paths: Sequence[Path], inside: str) -> str:
    """Return the SQL condition that actor and outcome stand where Okta has them.

    Either may well be missing, unless a key tells that it stands there in another spelling.
    """
    actor, outcome = (_value(paths, path) for path in (("actor", "id"), ("outcome", "result")))
    squashed = "regexp_replace(lower(key), '[^\\pL\\pN]', '', 'g')"
    other = f"key NOT IN ('actor', 'outcome') AND regexp_matches({squashed}, 'actor|outcome')"
    odd = f"len(list_filter(json_keys(text, '{inside}'), lambda key: {other})) > 0"
    return (
        f"CASE WHEN {actor} IS NOT NULL AND {outcome} IS NOT NULL THEN true "
        f"WHEN coalesce({actor}, {outcome}) IS NULL THEN false ELSE NOT {odd} END"
    )


def _keys(inside: str) -> str:
    """Return the SQL of the keys of every object that Okta's events have, as a list of lists."""
    objects = _json_paths(((), *OBJECTS), inside)
    return f"json_keys(text, list_distinct(list_prepend('$', {objects})))"


def _value(paths: Sequence[Path], path: Path) -> str:
    """Return the SQL of the value at ``path``, one of ``paths``."""
    return f"kept[{paths.index(path) + 1}]"


def _trimmed(value: str) -> str:
    """Return the SQL of ``value`` less what shows nothing around it.

    To look at both ends takes a third of the time that DuckDB's ``trim`` takes.
    """
    padded = f"{value} NOT BETWEEN '!' AND '~' OR ({value})[-1] NOT BETWEEN '!' AND '~'"
    closely = f"regexp_replace({value}, '^{PAD}+|{PAD}+$', '', 'g')"
    return f"CASE WHEN {padded} THEN {closely} ELSE {value} END"


def _id(value: str) -> str:
    """Return the SQL that makes NULL of what stands for no id."""
    absent = ", ".join(quote(word) for word in NO_ID)
    return f"CASE WHEN lower({value}) NOT IN ({absent}) THEN {value} END"


def _clean(value: str, field: Field) -> str:
    """Return the SQL that cleans ``value``, a trimmed VARCHAR unless it is a ``text``."""
    if field.clean == "id":
        return _id(value)
    if field.clean == "path":
        path = f"split_part(lower({value}), '?', 1)"
        odd = f"regexp_replace({path}, '^[a-z]+://[^/]*|;[^/]*', '', 'g')"
        path = f"nullif(rtrim(regexp_replace({odd}, '/+', '/', 'g'), '/'), '')"
        marked = " OR ".join(f"contains({value}, '{mark}')" for mark in ("//", "?", ";"))
        plain = f"starts_with({value}, '/') AND NOT (ends_with({value}, '/') OR {marked})"
        return f"CASE WHEN {plain} THEN lower({value}) ELSE {path} END"  # in a third of the time
    if field.clean in ("bigint", "boolean"):
        return f"TRY_CAST({value} AS {field.sql_type})"
    return f"nullif({value}, '')"


def _target(*types: str) -> str:
    """Return the SQL of the first target of one of ``types`` (lower case)."""
    places = ", ".join(f"list_position(kinds, {quote(name)})" for name in types)
    return f"targets[least({places})]"


def _behavior(behaviors: str, name: str) -> str:
    """Return the SQL for one of ``debugData.behaviors``, a ``{k=v, …}`` text and no JSON."""
    return f"nullif(regexp_extract({behaviors}, '[{{ ]{name}=([A-Z_]+)', 1), '')"


def expressions(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SQL of every column of ``events``; what no path of ``paths`` fills is NULL."""

    def at(path: Path) -> str:
        return f"value_{paths.index(path)}" if path in paths else "NULL::VARCHAR"

    def debug(key: str) -> str:
        return at((*DEBUG_DATA, key))

    method = "list_filter(targets, lambda t: t.detailEntry.methodTypeUsed IS NOT NULL)[1]"
    plain = {field.column: _clean(at(field.path), field) for field in SCALARS}
    plain |= {field.column: _clean(at((*DEBUG_DATA, *field.path)), field) for field in DEBUG}
    return plain | {
        "uuid": f"trim({at(('uuid',))})",
        "event_type": at(("eventType",)),
        "event_ms": TIME.format(at(("published",))),
        "received_ms": TIME.format(at((RECEIVED,))),
        "event_day": f"{TIME.format(at(('published',)))} // {DAY_MS}",
        "method_type_used": (
            f"nullif(coalesce({debug('methodTypeUsed')}, "
            f"{_trimmed(f'{method}.detailEntry.methodTypeUsed')}), '')"
        ),
        "new_device": _behavior(debug("behaviors"), "New Device"),
        "new_ip": _behavior(debug("behaviors"), "New IP"),
        "risk_level": f"nullif(regexp_extract({debug('risk')}, '[{{ ]level=([A-Z_]+)', 1), '')",
        "amr_list": (
            f"nullif(trim(regexp_replace(lower({debug('amrList')}), "
            "'[^a-z0-9_:.]+', ' ', 'g')), '')"
        ),
        "idp_id": (
            f"coalesce({_id('idp_id')}, {_id(at(('authenticationContext', 'issuer', 'id')))})"
        ),
        "policy_kind": (
            "CASE WHEN lower(policy.detailEntry.policyType) = 'oktasignon' THEN 'session' "
            "WHEN policy.detailEntry.policyType IS NOT NULL THEN 'app' "
            "WHEN rule_id LIKE '0pr%' THEN 'session' "
            "WHEN rule_id LIKE 'plr%' OR rule_id LIKE 'rul%' THEN 'app' END"
        ),
        "policy_id": _id("policy_id"),
        "policy_name": "policy.displayName",
        "rule_id": _id("rule_id"),
        "rule_name": "rule.displayName",
        "target_type": "target.type",
        "target_id": _id("target_id"),
        "target_login": _id("target_login"),
        "target_name": "target.displayName",
        "other_target_name": "CASE WHEN lower(target.type) = 'user' THEN other.displayName END",
        "targets": at(TARGET),
        "debug_data": at(DEBUG_DATA),
        "raw": at(()),
    }


def projection(relation: str, columns: Set[str], *, judged: bool = False) -> str:
    """Return a SELECT of ``columns`` of ``events`` from ``relation`` (``kept`` of ``reading``).

    Where ``relation`` has all of ``reading`` (``judged``), of columns without ``raw``, ``text`` is
    ``raw``, the time is not read again, and it is an error if ``spoiled`` is not NULL.
    """
    paths = _paths(columns - {"raw"} if judged else columns)
    sql = expressions(paths)
    if judged:
        sql |= {"raw": "text", "event_ms": "event_ms", "event_day": f"event_ms // {DAY_MS}"}
    wanted = [name for name in COLUMNS if name in columns]
    listed = ",\n  ".join(f"{sql[name]} AS {name}" for name in wanted)
    bounded = ",\n  ".join(_bounded(name) for name in wanted)
    # Of a NULL, DuckDB would not know the type, and so no field of it.
    targets = _value(paths, TARGET) if TARGET in paths else "'[]'::JSON"
    values = ", ".join(f"{_value(paths, path)} AS value_{n}" for n, path in enumerate(paths))
    spoiled, text = ("spoiled, text, event_ms, ", "text, event_ms, ") if judged else ("", "")
    if judged:  # beside one value: around them all, it would be asked for each
        sound = "CASE WHEN spoiled IS NULL THEN kept[1] ELSE error(spoiled) END AS value_0"
        values = values.replace("kept[1] AS value_0", sound)
    trimmed = {f"value_{n}": f"value_{n}" for n, path in enumerate(paths) if path in _TRIMMED}
    trimmed |= {"policy_id": "policy.id", "rule_id": "rule.id", "idp_id": "idp.id"}
    trimmed |= {"target_id": "target.id", "target_login": "target.alternateId"}
    plain = [f"value_{n}" for n, path in enumerate(paths) if path not in _TRIMMED]
    once = ",\n  ".join((*plain, *(f"{_trimmed(v)} AS {name}" for name, v in trimmed.items())))
    return f"""
SELECT
  {bounded}
FROM (
SELECT
  {listed}
FROM (
SELECT
  {text}targets, target, other, policy, rule, {once}
FROM (
  SELECT {text}targets, {values},
         coalesce({_target("user")}, targets[1]) AS target,
         targets[list_position(list_transform(kinds, lambda k: k <> 'user'), true)] AS other,
         {_target("policyentity")} AS policy,
         {_target("policyrule", "rule")} AS rule,
         {_target("identityprovider")} AS idp
  FROM (SELECT *, list_transform(targets, lambda t: lower(t.type)) AS kinds
        FROM (SELECT {spoiled}kept, from_json({targets}, {quote(_TARGETS)}) AS targets
              FROM {relation}))
)))"""


def _bounded(column: str) -> str:
    """Return the SQL of ``column``, cut to ``MAX_VALUE``; its bytes are counted at no cost."""
    if column not in TEXT_COLUMNS:
        return column
    long = f"strlen({column}) > {MAX_VALUE} AND length({column}) > {MAX_VALUE}"
    return f"CASE WHEN {long} THEN {_CUT.format(column)} ELSE {column} END AS {column}"


def _structure() -> dict[str, Any]:
    """Return the JSON structure of a LogEvent, as far as the projection looks at it."""
    structure: dict[str, Any] = dict.fromkeys((*IDENTITY, RECEIVED), "VARCHAR")
    for path in (field.path for field in SCALARS):
        below = structure
        for key in path[:-1]:
            below = below.setdefault(key, {})
        below[path[-1]] = "VARCHAR"
    return structure | {"debugContext": {"debugData": "JSON"}, "target": "JSON"}


def _debug_spec() -> dict[str, object]:
    """Return the ``from_json`` structure of ``debugData``, as far as the projection looks."""
    spec: dict[str, object] = dict.fromkeys(DEBUG_KEYS, "VARCHAR")
    for field in DEBUG:
        head, *rest = field.path
        spec[head] = dict.fromkeys(rest, "VARCHAR") if rest else "VARCHAR"
    return spec


def rereading() -> str:
    """Return a SELECT that reads lines (parameter ``$lines``) leniently, as plain JSON.

    DuckDB takes what Python's parser does not: nesting of any depth, numbers of any length, a
    comma too many. It drops what has the wrong type. The first column is the line's place; the
    third leaves out the unknown keys of ``debugData`` and ``target``. No row where the line is no
    JSON, or no event.
    """
    plain, wrapped = _structure(), {"detail": _structure()}
    known = plain | {"debugContext": {"debugData": _debug_spec()}, "target": json.loads(_TARGETS)}
    return f"""
SELECT place, event::VARCHAR, to_json(from_json(event, {quote(json.dumps(known))}))::VARCHAR
FROM (SELECT place, to_json(CASE WHEN inner_event.uuid IS NULL THEN event ELSE inner_event END)
                      AS event
      FROM (SELECT place, from_json(line, {quote(json.dumps(plain))}) AS event,
                   from_json(line, {quote(json.dumps(wrapped))}).detail AS inner_event
            FROM (SELECT place, CASE WHEN json_valid(text) THEN text END AS line
                  FROM unnest($lines::VARCHAR[]) WITH ORDINALITY AS given(text, place))))
WHERE {" AND ".join(f"(event->>'{name}') IS NOT NULL" for name in IDENTITY)}"""
