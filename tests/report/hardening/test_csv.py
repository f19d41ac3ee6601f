import csv
import io
from dataclasses import replace

from tests.report.hardening.rendering import rendered
from tests.report.hardening.results import EMPTY, FAILED, FOUND, with_results

from mfagap.report.hardening.csv import COLUMNS


def test_a_result_is_a_row() -> None:
    assert rendered("csv", FOUND).splitlines() == [
        "outcome,severity,check,title,reason,says,subject,subject_id,subject_name,policy_id,amount,"
        "first_seen,last_seen,evidence,detail,controls,prevention",
        "fail,critical,session_rule_without_factor,A session rule lets people in without a factor,"
        "used,Scripts let 41 sessions in without a factor.,rule,0pr1legacy000000001,Scripts,"
        "00p1service00000001,41,2026-01-13T12:00:00.000Z,2026-01-15T11:59:00.000Z,start-1 start-2,"
        "ALLOW,stig:V-273186 cis:6.3 cis:6.5,Let the rule ask for a factor at every sign-in.",
        "unknown,medium,wide_network_zone,A zone is wider than its name,unknown_part,zones is not "
        "known: the scope okta.networkZones.read is missing.,org,,,,0,,,,,,Name the addresses.",
        "pass,informational,session_rule_without_factor,A session rule lets people in without a "
        "factor,asks,Default Rule asks for a factor.,rule,0pr2default00000002,Default Rule,"
        "00p1service00000001,0,,,,,stig:V-273186 cis:6.3 cis:6.5,"
        "Let the rule ask for a factor at every sign-in.",
        "not_applicable,informational,session_rule_without_factor,A session rule lets people in "
        "without a factor,no_subject,The org has no such rule.,org,,,,0,,,,,stig:V-273186 cis:6.3 "
        "cis:6.5,Let the rule ask for a factor at every sign-in.",
    ]


def test_no_result_is_a_head_alone() -> None:
    assert rendered("csv", EMPTY) == ",".join(COLUMNS) + "\n"


def test_a_result_of_a_check_that_is_not_at_hand() -> None:
    (row,) = csv.DictReader(io.StringIO(rendered("csv", with_results(FAILED, checks=()))))
    assert (row["check"], row["title"], row["prevention"]) == (FAILED.check, "", "")


def test_no_cell_is_a_formula() -> None:
    odd = replace(FAILED, subject_name="=cmd|' /C calc'!A0", detail="a;=1+1", policy_id="@SUM(1)")
    (row,) = csv.DictReader(io.StringIO(rendered("csv", with_results(odd))))
    assert (row["subject_name"], row["detail"], row["policy_id"]) == (
        "'=cmd|' /C calc'!A0",
        "a;'=1+1",
        "'@SUM(1)",
    )
