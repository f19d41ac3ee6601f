"""Cases judged together, as one log of many users: fast enough to judge a query hundreds of times.

Their ids are kept apart by a suffix, and their times are shifted so that all are judged at the
same moment. Then one query judges all, and its rows are told apart by the suffix again.
"""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mfagap import alerts
from mfagap.cases.compare import differences, expected_severities
from mfagap.cases.load import Case
from mfagap.cases.mutants import Piece
from mfagap.detect.customize import customize
from mfagap.detect.evaluate import Row, evaluate, parameters
from mfagap.engines.duckdb import DuckDBEngine
from mfagap.errors import ContentError, EngineError
from mfagap.lake.memory import MemoryLake
from mfagap.model import ContentList, Delivery, Detection, Scalar, Slot

LIMIT_S = 2
"""A query that joins everything with everything is stopped after this; one that passes takes a
tenth of it."""

_FEW_ROWS = "disabled_optimizers = 'join_order,statistics_propagation'"
"""Over the few events of cases these passes take longer than they save."""

_APART = (
    *("actor_id", "actor_login", "session_id", "root_session_id", "transaction_id", "request_id"),
    *("authn_request_id", "dt_hash", "target_id", "idp_id", "client_ip", "user_agent"),
)
"""Columns of ids that cases share and that a query joins: what ties one event to another.

A detection that joins another column of ids needs it here. Left out, and why:

- ``rule_id`` is joined with lists, which name it as it is
- ``policy_id`` is only shown, ``original_principal_id`` is only looked for
- ``issuer_id`` (but as ``idp_id``), ``device_fingerprint`` and ``target_login`` tie nothing
"""

_TOKENS = ("api_token_id", "root_api_token_id")
"""Columns of API tokens: apart too, but not in a case whose settings name some."""

_SUFFIX = ":{:04}:"
_LENGTH = len(_SUFFIX.format(0))

Result = TypeVar("Result")

Members = Mapping[str, tuple[Detection, Case]]
"""Cases by the suffix of their ids, each with the detection as its settings make it."""


def load(lake: MemoryLake, detection: Detection, cases: Sequence[Case]) -> None:
    """Read the events of all ``cases`` into the table ``shared`` of ``lake``."""
    with tempfile.TemporaryDirectory(prefix="mfagap-cases-") as folder:
        file = Path(folder) / "events.ndjson"
        with file.open("w", encoding="utf-8") as out:
            for number, case in enumerate(cases):
                for event in case.events:
                    marked = event | {"uuid": event["uuid"] + _SUFFIX.format(number)}
                    out.write(json.dumps(marked) + "\n")
        lake.load([Delivery(file, "cases")], detection.event_types)
    now = latest(cases)
    shifts = ", ".join(
        f"('{_SUFFIX.format(number)}', {now - case.now_ms}, {_names_tokens(case)})"
        for number, case in enumerate(cases)
    )
    apart = ", ".join(
        [f"{column} || suffix AS {column}" for column in _APART]
        + [
            f"CASE WHEN names_tokens THEN {column} ELSE {column} || suffix END AS {column}"
            for column in _TOKENS
        ]
    )
    lake.connection.execute("SET threads = 1")  # each core has a process of its own
    lake.connection.execute(f"SET {_FEW_ROWS}")
    lake.connection.execute(f"""
CREATE TABLE shared AS
SELECT e.* REPLACE (event_ms + shift AS event_ms, received_ms + shift AS received_ms, {apart})
FROM events AS e
JOIN (VALUES {shifts}) AS c (suffix, shift, names_tokens) ON right(e.uuid, {_LENGTH}) = c.suffix
WHERE event_ms + shift <= {now} AND (received_ms IS NULL OR received_ms + shift <= {now})""")


def _names_tokens(case: Case) -> bool:
    return "trusted_api_tokens" in case.settings.get("lists", {})


def latest(cases: Sequence[Case]) -> int:
    """Return the moment at which all of ``cases`` are judged, once they are shifted."""
    return max(case.now_ms for case in cases)


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are judged by one query.

    The lake has a schema of this name, which holds their events and every CTE of the detection's
    query as a table. ``lists`` and ``parameters`` are what the query is given.
    """

    schema: str
    members: Members
    slot: Slot
    lists: Mapping[str, ContentList]
    parameters: Mapping[str, int]


def groups(
    lake: MemoryLake, detection: Detection, cases: Sequence[Case], pieces: Sequence[Piece]
) -> Iterator[Group]:
    """Yield ``cases`` in as few groups as can be, the largest first.

    A group has one slot and the same rows in its lists. What one case logs can change what is said
    of another (an identity provider that was changed); those that then differ make another group.

    Raises:
        ContentError: A case fails as the query stands.
        EngineError: The query failed.
    """
    now, count = latest(cases), 0
    alike: dict[str, dict[str, tuple[Detection, Case]]] = {}
    for number, case in enumerate(cases):
        key = json.dumps([case.settings.get("lists"), case.until_ms - case.now_ms], sort_keys=True)
        customized = customize(detection, case.settings, case.file)
        alike.setdefault(key, {})[_SUFFIX.format(number)] = (customized, case)
    waiting = list(alike.values())
    while waiting:
        waiting.sort(key=len)
        members = waiting.pop()
        apart: dict[str, tuple[Detection, Case]] = {}
        while True:
            count += 1
            group = _group(f"group_{count}", members, now)
            bench = Bench(lake, group)
            bench.build(pieces[:-1])
            differing = set(bench.failing(pieces[-1].sql))
            if not differing:
                break
            if "" in differing:
                raise EngineError(f"{detection.id} gave a row whose uuid is no event's")
            if len(members) == 1:
                ((_, case),) = members.values()
                raise ContentError("fails as the query stands; see `mfagap test`", case.file)
            if len(differing) == len(members):
                differing.remove(min(differing))
            apart |= {suffix: members[suffix] for suffix in differing}
            members = {key: member for key, member in members.items() if key not in differing}
        yield group
        if apart:
            waiting.append(apart)


def _group(schema: str, members: Members, now: int) -> Group:
    customized, case = next(iter(members.values()))
    shift = now - case.now_ms
    slot = Slot(case.slot.from_ms + shift, case.slot.to_ms + shift, now)
    return Group(schema, members, slot, customized.lists, parameters(customized, slot))


class Ready:
    """An engine whose rows are there already."""

    def __init__(self, rows: Sequence[dict[str, Scalar]]) -> None:
        self._rows = rows

    def run(
        self, sql: str, parameters: Mapping[str, int], lists: Mapping[str, ContentList]
    ) -> list[dict[str, Scalar]]:
        """Return the rows, whatever is asked."""
        del sql, parameters, lists
        return list(self._rows)


class Bench:
    """A connection of its own on which a group is judged, again and again.

    Args:
        lake: Holds the table ``shared``; see ``load``.
        group: What is judged.
    """

    def __init__(self, lake: MemoryLake, group: Group) -> None:
        """See the class."""
        self.group = group
        self._engine = DuckDBEngine(lake.connection.cursor())
        self._passing: Mapping[str, Sequence[Row]] = {}
        self._count = 0
        self._digests: dict[str, object] = {}
        self.run(f"CREATE SCHEMA IF NOT EXISTS {group.schema}")
        self.run(f"SET schema = '{group.schema}'")
        self.run("SELECT 1", group.lists)

    def build(self, ctes: Sequence[Piece]) -> None:
        """Make the tables of the group, which its other benches share."""
        suffixes = ", ".join(f"'{suffix}'" for suffix in self.group.members)
        self.run(
            "CREATE TABLE events AS SELECT * FROM main.shared "
            f"WHERE right(uuid, {_LENGTH}) IN ({suffixes})"
        )
        for cte in ctes:
            self.run(f'CREATE TABLE "{cte.name}" AS {_all_of(cte)}')

    def unchanged(self, cte: Piece) -> bool:
        """Return whether ``cte`` gives the rows of its table; then so do all that read it."""
        if cte.name not in self._digests:
            self._digests[cte.name] = self._digest(f'SELECT * FROM "{cte.name}"')
        try:
            return self._digest(_all_of(cte)) == self._digests[cte.name]
        except EngineError:
            return False

    def passes(self, sql: str) -> bool:
        """Return whether all cases pass with ``sql``; they do not where it fails or never ends."""
        try:  # a case expects each of its rows: with more rows, or fewer, one fails
            rows = self.first(self._count + 1, sql)
            return len(rows) == self._count and not any(True for _ in self._failing(rows))
        except EngineError:
            return False

    def failing(self, sql: str) -> Iterator[str]:
        """Yield the suffix of each case that fails with ``sql``; "" for a row that is nobody's.

        Raises:
            EngineError: The query failed, took too long, or gave a row of another form.
        """
        yield from self._failing(self.run(sql))

    def _failing(self, rows: Sequence[dict[str, Scalar]]) -> Iterator[str]:
        by_case = self.by_case(rows)
        if "" in by_case:
            yield ""
        for suffix, member in self.group.members.items():
            found = by_case.get(suffix, [])
            if found != self._passing.get(suffix) and _fails(member, suffix, found):
                yield suffix

    def expect(self, sql: str) -> None:
        """Remember the rows of ``sql``, with which all cases pass: the same again need no look."""
        rows = self.run(sql)
        self._count, self._passing = len(rows), self.by_case(rows)

    def by_case(
        self, rows: Sequence[dict[str, Scalar]]
    ) -> Mapping[str, Sequence[dict[str, Scalar]]]:
        """Return ``rows`` by the suffix of their case; "" has those that are nobody's."""
        cases: dict[str, list[dict[str, Scalar]]] = {}
        for row in rows:
            suffix = str(row.get("uuid"))[-_LENGTH:]
            cases.setdefault(suffix if suffix in self.group.members else "", []).append(row)
        return cases

    def _digest(self, sql: str) -> object:
        """Return what tells the rows of ``sql`` from others, whatever their order."""
        return self.run(f"SELECT count(*), sum(hash(t)) FROM ({sql}) AS t")

    def timed(self, work: Callable[[DuckDBEngine], Result]) -> Result:
        """Return what ``work`` makes of the engine; a query that takes too long is stopped."""
        timer = threading.Timer(LIMIT_S, self._engine.connection.interrupt)
        timer.start()
        try:
            return work(self._engine)
        finally:
            timer.cancel()

    def run(
        self, sql: str, lists: Mapping[str, ContentList] | None = None
    ) -> list[dict[str, Scalar]]:
        """Return the rows of ``sql``; ``lists`` are made into tables first.

        Raises:
            EngineError: The query failed or took too long.
        """
        return self.timed(lambda engine: engine.run(sql, self.group.parameters, lists or {}))

    def first(self, most: int, sql: str) -> list[dict[str, Scalar]]:
        """Return the first ``most`` rows of ``sql``, or all if there are fewer; see ``run``."""
        engine = DuckDBEngine(self._engine.connection, most)
        return self.timed(lambda _: engine.run(sql, self.group.parameters, {}))


def _all_of(cte: Piece) -> str:
    return f'WITH {cte.sql} SELECT * FROM "{cte.name}"'


def _fails(
    member: tuple[Detection, Case], suffix: str, rows: Sequence[Mapping[str, Scalar]]
) -> bool:
    """Return whether the case of ``member`` fails with ``rows``, whose ids bear its ``suffix``."""
    detection, case = member
    evaluation = evaluate(detection, Ready(bare(rows, suffix)), case.slot)
    made = alerts.group(detection, expected_severities(case, evaluation.findings))
    return bool(differences(case, evaluation, made))


def bare(rows: Sequence[Mapping[str, Scalar]], suffix: str) -> list[dict[str, Scalar]]:
    """Return ``rows`` with ids as the case of ``suffix`` has them."""
    return [
        {
            name: value.replace(suffix, "") if isinstance(value, str) else value
            for name, value in row.items()
        }
        for row in rows
    ]
