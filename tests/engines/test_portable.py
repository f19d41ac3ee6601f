import pytest

from mfagap.detect.lint import PARAMETERS
from mfagap.detect.load import load_all
from mfagap.engines.portable import Fault, faults, given
from mfagap.model import Detection

JOINED = "SELECT e.a AS a\nFROM events AS e\n"
ON = "ON c.a = e.a"


def _faults(sql: str) -> list[Fault]:
    return faults(sql, tables={"events", "clients"}, parameters={"from", "to"})


@pytest.mark.parametrize("detection", load_all(), ids=lambda detection: detection.id)
def test_what_ships_is_portable(detection: Detection) -> None:
    tables = {"events", *detection.lists}
    assert faults(detection.query, tables, parameters=set(PARAMETERS)) == []


BANNED = [
    ("NOT IN", "SELECT a FROM events\nWHERE a NOT IN (1, 2)", 2, "NOT IN is empty where "),
    ("NOT (IN)", "SELECT a FROM events\nWHERE NOT (a IN (1, 2))", 2, "NOT IN is empty where "),
    (
        "EXISTS",
        "SELECT a FROM events AS e\nWHERE EXISTS (SELECT b FROM clients)",
        2,
        "Exists is outside the portable subset: EXISTS(",
    ),
    (
        "subquery as a column",
        "SELECT a,\n  (SELECT MAX(b) FROM clients) AS m\nFROM events",
        2,
        "no subquery in an expression: join a CTE",
    ),
    (
        "subquery in a comparison",
        "SELECT a FROM events\nWHERE a =\n  (SELECT MAX(b) FROM clients)",
        3,
        "no subquery in an expression: join a CTE",
    ),
    ("INTERVAL", "SELECT a,\n  a + INTERVAL 1 DAY AS b\nFROM events", 2, "Interval is outside "),
    ("NOW()", "SELECT a,\n  NOW() AS b\nFROM events", 2, "Anonymous is outside the portable "),
    ("CURRENT_TIMESTAMP", "SELECT a,\n  CURRENT_TIMESTAMP AS b\nFROM events", 2, "CurrentTimesta"),
    ("~", "SELECT a FROM events\nWHERE a ~ 'x'", 2, "RegexpLike is outside "),
    ("REGEXP", "SELECT a FROM events\nWHERE REGEXP_MATCHES(a, 'x')", 2, "RegexpLike is outside "),
    ("SIMILAR TO", "SELECT a FROM events\nWHERE a SIMILAR TO 'x'", 2, "SimilarTo is outside "),
    ("ILIKE", "SELECT a FROM events\nWHERE a ILIKE 'x'", 2, "ILike is outside "),
    ("->", "SELECT a,\n  a -> '$.b' AS b\nFROM events", 2, "JSONExtract is outside "),
    ("->>", "SELECT a,\n  a ->> '$.b' AS b\nFROM events", 2, "JSONExtractScalar is outside "),
    ("CAST", "SELECT a,\n  a::BIGINT AS b\nFROM events", 2, "Cast is outside "),
    (
        "unknown function",
        "SELECT a,\n  MYSTERY(a) AS b\nFROM events",
        2,
        "Anonymous is outside the portable subset: MYSTERY",
    ),
    ("other function", "SELECT a,\n  LEVENSHTEIN(a, a) AS b\nFROM events", 2, "Levenshtein is "),
    ("FILTER", "SELECT\n  COUNT(*) FILTER (WHERE a = 1) AS n\nFROM events", 2, "Filter is outside"),
    ("LIMIT", "SELECT a\nFROM events\nLIMIT 1", 3, "Limit is outside "),
    ("QUALIFY", "SELECT a\nFROM events\nQUALIFY COUNT(*) OVER (ORDER BY a) = 1", 3, "Qualify is "),
    ("GROUP BY ALL", "SELECT a, COUNT(*) AS n FROM events\nGROUP BY ALL", 1, "no GROUP BY ALL: "),
    ("EXCLUDE", "SELECT * EXCLUDE (a)\nFROM events", 1, "no * EXCLUDE: "),
    ("REPLACE", "SELECT * REPLACE (1 AS a)\nFROM events", 1, "no * REPLACE: "),
    ("RECURSIVE", "WITH RECURSIVE x AS (SELECT a FROM events)\nSELECT a FROM x", 1, "no RECURSIVE"),
    (
        "MATERIALIZED",
        "WITH x AS MATERIALIZED (SELECT a FROM events)\nSELECT a FROM x",
        1,
        "no MATERIALIZED",
    ),
    (
        "BY NAME",
        "WITH x AS (SELECT a FROM events UNION BY NAME SELECT a FROM events)\nSELECT a FROM x",
        1,
        "no UNION BY NAME: ",
    ),
    (
        "unknown table",
        "SELECT a\nFROM nowhere",
        2,
        "reads 'nowhere', which is neither events nor a list of detection.yml",
    ),
    ("other schema", "SELECT a\nFROM other.events", 2, "reads 'other.events', which is neither "),
    ("file", "SELECT a\nFROM 'x.parquet'", 2, "reads '\"x.parquet\"', which is neither "),
    ("table function", "SELECT a\nFROM read_csv('x')", 2, "ReadCSV is outside "),
    (
        "unknown parameter",
        "SELECT a\nFROM events\nWHERE a = $mystery",
        3,
        "unknown parameter 'mystery'; known are $from, $to",
    ),
    ("? parameter", "SELECT a\nFROM events\nWHERE a = ?", 3, "unknown parameter '?'; "),
    ("RIGHT JOIN", f"{JOINED}RIGHT JOIN clients AS c {ON}", 3, "no RIGHT  JOIN: "),
    ("FULL JOIN", f"{JOINED}FULL JOIN clients AS c {ON}", 3, "no FULL  JOIN: "),
    ("SEMI JOIN", f"{JOINED}SEMI JOIN clients AS c {ON}", 3, "no  SEMI JOIN: "),
    ("NATURAL JOIN", f"{JOINED}NATURAL JOIN clients AS c", 3, "no NATURAL or ASOF JOIN: "),
    ("ASOF JOIN", f"{JOINED}ASOF JOIN clients AS c ON c.a >= e.a", 3, "no NATURAL or ASOF JOIN: "),
    ("USING", f"{JOINED}JOIN clients AS c USING (a)", 3, "no USING: write the columns in ON"),
    ("JOIN without ON", f"{JOINED}JOIN clients AS c", 3, "a JOIN needs ON"),
    ("comma", "SELECT e.a AS a FROM events AS e,\n  clients AS c", 2, "a JOIN needs ON"),
    (
        "no alias in a join",
        f"SELECT\n  e.a\nFROM events AS e JOIN clients AS c {ON}",
        2,
        "e.a needs an alias, since its SELECT joins",
    ),
    (
        "no table in a join",
        f"SELECT\n  a AS b\nFROM events AS e JOIN clients AS c {ON}",
        2,
        "a needs its table's alias, since its SELECT joins",
    ),
    (
        "* in a join",
        f"SELECT\n  e.*\nFROM events AS e JOIN clients AS c {ON}",
        2,
        "no * in a SELECT that joins: name the columns",
    ),
    ("two statements", "SELECT a FROM events;\nSELECT 2", 1, "must be exactly one SELECT"),
    ("nothing", "", 1, "must be exactly one SELECT"),
    ("a bare UNION", "SELECT a FROM events UNION SELECT 1", 1, "must be exactly one SELECT"),
    ("DDL", "DROP TABLE events", 1, "must be exactly one SELECT"),
    ("INSERT", "INSERT INTO events VALUES (1)", 1, "must be exactly one SELECT"),
    ("DELETE in a CTE", "WITH x AS (DELETE FROM events)\nSELECT 1 AS a", 1, "Delete is outside "),
    ("syntax", "SELECT a\nFROM WHERE", 2, "no SQL: Expected table name near 'WHERE'"),
    ("LIMIT without a name", "SELECT 1\nLIMIT 1", 2, "Limit is outside "),
    ("open text", "SELECT 'a", None, "no SQL: Error tokenizing "),
]


@pytest.mark.parametrize(
    ("sql", "line", "message"), [pytest.param(*row, id=name) for name, *row in BANNED]
)
def test_what_engines_answer_differently_is_a_fault(sql: str, line: int, message: str) -> None:
    found = _faults(sql)
    assert any(fault.message.startswith(message) and fault.line == line for fault in found), found


ALLOWED = [
    ("columns", "SELECT a, b AS c FROM events"),
    ("star alone", "SELECT * FROM events"),
    ("star of a table alone", "SELECT e.* FROM events AS e"),
    ("IN a list", "SELECT a FROM events WHERE a IN ('x', 'y')"),
    ("IN a query", "SELECT a FROM events WHERE a IN (SELECT b FROM clients)"),
    ("NOT", "SELECT a FROM events WHERE NOT (a = 1) AND a IS NOT NULL"),
    ("LIKE", "SELECT a FROM events WHERE LOWER(a) LIKE '%x%' OR a NOT LIKE 'y'"),
    ("JOIN", f"{JOINED}JOIN clients AS c {ON}"),
    ("INNER JOIN", f"{JOINED}INNER JOIN clients AS c {ON}"),
    ("LEFT JOIN", f"{JOINED}LEFT JOIN clients AS c {ON} AND c.b = 1"),
    ("CROSS JOIN", f"{JOINED}CROSS JOIN clients AS c"),
    ("derived table", "SELECT x.a FROM (SELECT a FROM events) AS x"),
    ("joined derived table", f"{JOINED}JOIN (SELECT a FROM clients) AS c {ON}"),
    ("parameters", "SELECT a FROM events WHERE a >= $from - 1 AND a < $to + 2 * 3"),
    ("CTE", "WITH x AS (SELECT a FROM events) SELECT a FROM x"),
    (
        "UNION ALL in a CTE",
        "WITH x AS (SELECT a FROM events UNION ALL SELECT a FROM clients) SELECT a FROM x",
    ),
    (
        "aggregates",
        "SELECT a, MAX(b) AS m, COUNT(DISTINCT c) AS n FROM events GROUP BY a HAVING m > 1",
    ),
    ("CASE", "SELECT CASE WHEN a = 1 THEN 'x' ELSE COALESCE(b, '') || 'y' END AS c FROM events"),
    ("window", "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC, c) AS n FROM events"),
    ("DISTINCT", "SELECT DISTINCT a FROM events"),
    ("one alone, ended", "SELECT a FROM events;"),
    ("a comment", "-- NOT IN (NULL), NOW()\nSELECT a FROM events"),
]


@pytest.mark.parametrize("sql", [pytest.param(sql, id=name) for name, sql in ALLOWED])
def test_what_means_the_same_everywhere_is_none(sql: str) -> None:
    assert _faults(sql) == []


def test_faults_come_by_line_and_once_each() -> None:
    found = _faults("SELECT NOW() AS a, NOW() AS b,\n  MYSTERY(a) AS c\nFROM nowhere")
    assert [(fault.line, fault.message.split()[-1]) for fault in found] == [
        (1, "NOW"),
        (2, "MYSTERY"),
        (3, "detection.yml"),
    ]


def test_texts_that_a_query_gives_as_a_column() -> None:
    sql = """\
WITH a AS (
  SELECT t.id AS id, CASE WHEN t.kind = 'x' THEN 'one'
                          WHEN t.kind = 'y' THEN CASE t.id WHEN 'z' THEN ('two') ELSE t.name END
                          ELSE 'three' END AS reason
  FROM t
  UNION ALL
  SELECT t.id AS id, 'four' AS reason FROM t
)
SELECT a.reason AS reason, 'five' AS other, CASE WHEN a.id = 'v' THEN 7 END AS reason FROM a
"""
    assert given(sql, "reason") == [(2, "one"), (3, "two"), (4, "three"), (7, "four")]
    assert given(sql, "other") == [(9, "five")]
    assert given("SELECT FROM WHERE", "reason") == given("SELECT 'a", "reason") == []
