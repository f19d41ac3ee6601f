from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.report.ocsf_events import event_of, investigated, lacking
from tests.report.ocsf_schema import CLASS_SCHEMA, faults
from tests.report.results import FINDING, NOON, result


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(CLASS_SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("class_uid",), 2003),
        (("category_uid",), 3),
        (("type_uid",), 200301),
        (("activity_id",), 7),
        (("severity_id",), 7),
        (("severity_id",), "3"),
        (("severity_id",), 4),
        (("confidence_id",), 4),
        (("status_id",), 9),
        (("verdict_id",), 11),
        (("verdict",), "true_positive"),
        (("time",), NOON),
        (("is_alert",), "yes"),
        (("finding_info", "uid"), None),
        (("finding_info", "analytic", "type_id"), 12),
        (("finding_info", "analytic", "type"), "Behavioral"),
        (("finding_info", "surprise"), 1),
        (("metadata", "product"), "mfagap"),
        (("metadata", "version"), None),
        (("evidences", 0), {"name": "nothing else"}),
        (("evidences", 0, "src_endpoint", "ip"), "192.0.2.300"),
        (("evidences", 0, "actor", "user", "email_addr"), "ada"),
        (("resources", 0, "role"), "Related"),
        (("observables", 0, "type_id"), 49),
        (("actor",), {"user": {"name": "ada"}}),  # of a profile that is not used
        (("surprise",), 1),
    ],
)
def test_what_the_schema_does_not_take_is_seen(path: tuple[Any, ...], value: object) -> None:
    event = event_of(investigated(FINDING))
    inner: Any = event
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert faults(event) != []


@pytest.mark.parametrize(
    "name", ["class_uid", "category_uid", "type_uid", "time", "metadata", "finding_info"]
)
def test_what_the_schema_requires_is_missed(name: str) -> None:
    assert faults(lacking(event_of(result([FINDING])), name)) != []
