"""The report in a real browser: Debian's Chromium, which the tests start and end themselves."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright
from tests.report.hardening import results as hardening
from tests.report.hardening.rendering import rendered
from tests.report.pages import DETECTION, HOSTILE, all_hostile, hostile, many, page
from tests.report.results import investigated, result

ABUSED = result(
    many(3),
    detections=(DETECTION,),
    investigations={key: value for found in many(2) for key, value in investigated(found).items()},
)
PAGES = {
    "abused": page(ABUSED),
    "empty": page(result()),
    "hostile": page(hostile("x" * 1000)),
    "hardening": rendered("html", hardening.FOUND),
    "hardening, empty": rendered("html", hardening.EMPTY),
    "hardening, hostile": rendered("html", hardening.hostile("<img src=x onerror=a()>" * 50)),
}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        reason = "there is no chromium to look at the report with"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Watched:
    """A page that is open, and what it did that no report should."""

    page: Page
    said: list[str] = field(default_factory=list[str])
    asked_for: list[str] = field(default_factory=list[str])

    def dismiss(self, dialog: Dialog) -> None:
        """Note a dialog, which would block the page."""
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def _opened(
    browser: Browser,
    folder: Path,
    source: str,
    scheme: Scheme = "light",
    *,
    script: bool = True,
) -> Watched:
    file = folder / "report.html"
    file.write_text(source, encoding="utf-8")
    context = browser.new_context(
        viewport={"width": 1200, "height": 800}, color_scheme=scheme, java_script_enabled=script
    )
    opened = context.new_page()
    watched = Watched(opened)
    opened.on("console", lambda message: watched.said.append(message.text))
    opened.on("pageerror", lambda error: watched.said.append(str(error)))
    opened.on("dialog", watched.dismiss)
    opened.on("request", lambda request: watched.asked_for.append(request.url))
    opened.goto(file.as_uri())
    return watched


@pytest.mark.parametrize("name", PAGES)
def test_it_says_nothing_and_asks_for_nothing(browser: Browser, tmp_path: Path, name: str) -> None:
    watched = _opened(browser, tmp_path, PAGES[name])
    watched.page.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
    watched.page.wait_for_timeout(100)
    assert watched.said == []
    assert watched.asked_for == [(tmp_path / "report.html").as_uri()]
    watched.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_anyone_can_read_it(browser: Browser, tmp_path: Path, name: str) -> None:
    """To open a page costs more than to look at it: one serves every width and scheme."""
    opened = _opened(browser, tmp_path, PAGES[name]).page
    opened.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
    opened.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    backgrounds: set[str] = set()
    for width, scheme in product((1200, 360), SCHEMES):
        opened.set_viewport_size({"width": width, "height": 800})
        opened.emulate_media(color_scheme=scheme)
        assert opened.evaluate("innerWidth") == width
        backgrounds.add(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
        found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [
            (fault["id"], fault["nodes"][0]["html"][:200], fault["nodes"][0]["failureSummary"])
            for fault in found["violations"]
            if fault["impact"] in {"serious", "critical"}
        ]
        assert (width, scheme, bad) == (width, scheme, [])
        assert found["passes"]
    assert len(backgrounds) == len(SCHEMES)
    opened.context.close()


def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path) -> None:
    watched = _opened(browser, tmp_path, page(all_hostile()))
    opened = watched.page
    opened.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
    opened.wait_for_timeout(200)
    assert opened.locator("article").count() == len(HOSTILE)
    assert opened.evaluate("document.scripts.length") == 0
    assert (
        opened.evaluate("document.images.length + document.querySelectorAll('iframe').length") == 0
    )
    assert opened.evaluate("getComputedStyle(document.body).display") == "block"
    assert opened.evaluate("document.styleSheets.length") == 1
    assert opened.evaluate("document.documentElement.scrollWidth") <= 1200
    assert watched.said == []
    assert watched.asked_for == [(tmp_path / "report.html").as_uri()]
    opened.context.close()


def test_what_should_slip_through_is_stopped_by_the_policy(
    browser: Browser, tmp_path: Path
) -> None:
    watched = _opened(browser, tmp_path, PAGES["abused"])
    opened = watched.page
    opened.evaluate(
        """() => {
            document.title = 'calm';
            const box = document.createElement('div');
            document.body.append(box);
            box.innerHTML = '<img src="https://example.net/x" onerror="document.title = 1">'
                + '<style>body { display: none }</style>';
            const script = document.createElement('script');
            script.textContent = 'document.title = 2';
            document.body.append(script);
        }"""
    )
    opened.wait_for_timeout(100)
    assert opened.title() == "calm"
    assert opened.evaluate("getComputedStyle(document.body).display") == "block"
    assert all("Content Security Policy" in message for message in watched.said)
    assert len(watched.said) >= 3
    opened.context.close()


def test_the_keyboard_reaches_every_link_and_every_fold(browser: Browser, tmp_path: Path) -> None:
    opened = _opened(browser, tmp_path, PAGES["abused"]).page
    wanted: int = opened.evaluate(
        "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')]"
        ".filter(it => it.checkVisibility()).length"
    )
    reached: list[str] = []
    for _ in range(wanted):
        opened.keyboard.press("Tab")
        reached.append(
            opened.evaluate(
                "(it => { const seen = getComputedStyle(it).outlineStyle !== 'none';"
                " it.dataset.reached = 1; return it.tagName + ' ' + seen })(document.activeElement)"
            )
        )
    assert set(reached) == {"A true", "SUMMARY true"}
    assert opened.locator("[data-reached]").count() == wanted
    opened.context.close()


def test_the_first_link_skips_to_the_report(browser: Browser, tmp_path: Path) -> None:
    opened = _opened(browser, tmp_path, PAGES["abused"]).page
    opened.keyboard.press("Tab")
    box = opened.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "main"
    opened.context.close()


def test_a_citation_and_a_query_open_what_holds_them(browser: Browser, tmp_path: Path) -> None:
    opened = _opened(browser, tmp_path, PAGES["abused"], script=False).page
    opened.locator("#session-1 a.cite").first.click()
    step = opened.locator("#session-1-3")
    step.wait_for(state="visible")
    step.get_by_role("link", name="Query").click()
    opened.locator("#query-3").wait_for(state="visible")
    assert "SELECT 'acts'" in (opened.locator("#query-3").text_content() or "")
    opened.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_width_needs_scrolling_to_the_side(browser: Browser, tmp_path: Path, name: str) -> None:
    opened = _opened(browser, tmp_path, PAGES[name]).page
    opened.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
    for width in (320, 700, 820, 1600):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("innerWidth") == width
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.context.close()


def test_paper_is_light_and_has_the_evidence(browser: Browser, tmp_path: Path) -> None:
    opened = _opened(browser, tmp_path, PAGES["abused"], "dark").page
    opened.emulate_media(media="print")
    color: str = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert re.findall(r"\d+", color) == ["255", "255", "255"]
    assert opened.locator("#session-1-3").bounding_box() is not None
    assert not opened.locator("nav").is_visible()
    opened.context.close()
