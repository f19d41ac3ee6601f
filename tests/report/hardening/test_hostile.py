"""Text of the log's or the org's, in every place of the document: harmless in every format."""

import csv
import io
import json
import re
from collections import Counter
from functools import cache

import pytest
from tests.hostile.strikes import STRIKES, hidden
from tests.report.hardening.rendering import RENDERERS, rendered
from tests.report.hardening.results import hostile
from tests.report.hardening.sarif_schema import validated as validated_sarif
from tests.report.hardening.schema import validated as validated_json
from tests.report.hardening.test_ocsf import validated as validated_ocsf
from tests.report.pages import Page

from mfagap.report.grid import PLAIN_WIDTH

FORMULA = re.compile(r"\s*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]")
ALL = dict(STRIKES)


@cache
def _text(name: str, form: str) -> str:
    """Return the document in the format ``form``, with a strike in every place."""
    return rendered(form, hostile(ALL[name]))


@cache
def _calm(form: str) -> str:
    return rendered(form, hostile("calm"))


@cache
def _calm_shape() -> Counter[tuple[str, ...]]:
    return _shape(Page(_calm("html")))


def _shape(page: Page) -> Counter[tuple[str, ...]]:
    """Count the elements by their attributes."""
    return Counter((e.tag, *sorted(e.attributes)) for e in page.elements)


@pytest.mark.parametrize("form", RENDERERS)
@pytest.mark.parametrize("name", ALL)
def test_nothing_steers_or_hides(name: str, form: str) -> None:
    text = _text(name, form)
    assert hidden(text) == []
    if form in ("json", "html", "sarif", "ocsf"):
        assert text.isascii()


@pytest.mark.parametrize("name", ALL)
def test_in_a_table_it_adds_no_line(name: str) -> None:
    text = _text(name, "table")
    assert len(text.splitlines()) == len(_calm("table").splitlines())
    assert max(map(len, text.splitlines())) <= PLAIN_WIDTH


@pytest.mark.parametrize("name", ["markup", "escape", "link"])
def test_in_colors_it_brings_no_escape_of_its_own(name: str) -> None:
    text = rendered("table", hostile(ALL[name]), color=True)
    assert hidden(re.sub(r"\x1b\[[0-9;]*m", "", text)) == []


@pytest.mark.parametrize("name", ALL)
def test_in_a_sheet_it_is_no_formula_and_no_row(name: str) -> None:
    csv.field_size_limit(2 * len(ALL["megabyte"]))
    rows = list(csv.reader(io.StringIO(_text(name, "csv"), newline="")))
    assert (len(rows), {len(row) for row in rows}) == (5, {17})
    assert [value for row in rows for value in row if FORMULA.match(value)] == []


@pytest.mark.parametrize("name", ALL)
def test_in_a_page_it_adds_no_element_and_reaches_no_attribute(name: str) -> None:
    page = Page(_text(name, "html"))
    own, calm = _shape(page), _calm_shape()
    # JSON that would be cut is not shown; that takes its folds away, and adds nothing.
    if name in ("megabyte", "agent", "marks", "html"):
        assert own.keys() <= calm.keys() | {("p", "class")}
    else:
        assert own == calm
    for element in page.elements:
        assert not [word for word in element.attributes if word.startswith("on")]
        assert not element.attributes.keys() & {"style", "src", "srcset", "action"}
        for word in ("href", "class", "id"):
            assert re.fullmatch(r"#?[\w -]*", element.attributes.get(word, ""))


@pytest.mark.parametrize("name", ALL)
def test_structured_formats_stay_what_they_are(name: str) -> None:
    told = ALL[name].replace("\ud800", "\ufffd")
    whole = validated_json(_text(name, "json"))
    assert whole["results"][0]["says"] == told
    assert len(validated_sarif(_text(name, "sarif"))["results"]) == 2
    assert [event["message"] for event in validated_ocsf(_text(name, "ocsf"))] == [told] * 4
    assert json.loads(_text(name, "ocsf").splitlines()[0])["class_uid"] == 2003


def test_a_megabyte_everywhere_stays_a_page() -> None:
    assert len(_text("megabyte", "html")) < 120_000
    assert len(_text("megabyte", "table")) < 20_000
