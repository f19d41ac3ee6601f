"""HTML pages to look at, and what they hold."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from tests.report.results import (
    CONTEXT,
    FINDING,
    NOON_MS,
    POLICY,
    evidence,
    investigated,
    result,
)

from mfagap.detect.load import load_all
from mfagap.model import Answer, Finding, Reason, Reference, ScanResult, Totals
from mfagap.report import document, html

DETECTION = next(d for d in load_all() if d.id == FINDING.detection)
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=https://example.net/x onerror=alert(2)>",
    "\"'><svg onload=alert(3)>",
    "</style><style>body{display:none}</style>",
    "</title></pre></details><iframe src=javascript:alert(4)>",
    "javascript:alert(5)",
    "{{ 7 * 191 }}{% for x in y %}",
    "&lt;b&gt;&#x202e;",
    "\x1b[2J\x9b31m\x00\r\n\t",
    "\u202egnp.exe\u2066\u200b\u200d\ufeff\U000e0041\u00ad\U0001d173\ufffe",
    "z" + "\u0335\u0321\u0347" * 50,
    "[acts: no-such-event] [acts",
    "x" * 1_000_000,
    "\ud800",
)
"""What an attacker may write into a user agent, a login or a policy's name."""


def page(scanned: ScanResult) -> str:
    """Return the page about ``scanned`` with every status that is shown."""
    out = io.StringIO()
    html.render(scanned, document.ALL, out)
    return out.getvalue()


def hostile(text: str) -> ScanResult:
    """Return a result that has ``text`` wherever the log, the disk or an engine can bring it."""
    context = replace(
        CONTEXT,
        **dict.fromkeys(
            (
                "user_email",
                "actor_id",
                "source_ip",
                "user_agent",
                "external_session_id",
                "transaction_id",
                "request_uri",
            ),
            text,
        ),
    )
    named = dict.fromkeys(("result", "policy_id", "policy_name", "rule_id", "rule_name"), text)
    note = Reference(text, text, text)
    finding = replace(
        FINDING,
        uuid=text,
        title=text,
        mfa_link=text,
        mfa_event=text,
        explanation=note,
        annotations=(note,),
        confidence_reasons=(text,),
        policy=replace(POLICY, **named),
        alert_context=context,
    )
    answers = [
        Answer(NOON_MS + 40_000, "act", text, text + "2", None, text),
        Answer(NOON_MS + 40_000, text, text, text + "3", 3, text),
    ]
    items = [
        evidence("acts", *answers, digest=text),
        evidence("factor", failure=text, query=text),
        evidence(text, *answers, question=text, query=text),
    ]
    problem = Reason(text, used=False)
    return result(
        [finding],
        detections=(DETECTION,),
        investigations=investigated(finding, items, reason=f"It {text} acted [acts: {text}]."),
        problems={problem: 1},
        examples={problem: (text,)},
        ignored=((text, text),),
        skipped={text: 1},
        totals=Totals(1, 1, foreign={text: text}),
    )


def all_hostile() -> ScanResult:
    """Return a result with a finding for each hostile text."""
    each = [hostile(text) for text in HOSTILE]
    return replace(
        each[0],
        findings=tuple(finding for one in each for finding in one.findings),
        investigations={k: v for one in each for k, v in one.investigations.items()},
        problems={k: v for one in each for k, v in one.problems.items()},
        examples={k: v for one in each for k, v in one.examples.items()},
        ignored=tuple(pair for one in each for pair in one.ignored),
    )


def many(count: int) -> list[Finding]:
    """Return ``count`` findings of as many users, the newest first."""
    return [
        replace(
            FINDING,
            uuid=f"start-{place}",
            start_ms=NOON_MS - place * 60_000,
            alert_context=replace(CONTEXT, user_email=f"user{place}@example.com"),
        )
        for place in range(count)
    ]


@dataclass
class Element:
    """An element of a page with its text."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    pieces: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """All of it, that of the elements inside too."""
        return "".join(self.pieces)


@dataclass
class Page(HTMLParser):
    """Reads a page into its elements, the strict way: each must be closed where it was opened."""

    source: str
    elements: list[Element] = field(default_factory=list[Element])
    stack: list[Element] = field(default_factory=list[Element])

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.source)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        given = {name: value or "" for name, value in attrs}
        element = Element(tag, given, tuple(open_one.tag for open_one in self.stack))
        self.elements.append(element)
        if tag == "br":
            self.handle_data(" ")
        if tag not in {"meta", "br"} and not self._closes_itself():
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open and close an element of a drawing."""
        given = {name: value or "" for name, value in attrs}
        self.elements.append(Element(tag, given, tuple(one.tag for one in self.stack)))

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.stack.pop().tag == tag
        if tag in {"th", "td", "dt"}:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        """Add to the text of all open elements."""
        for element in self.stack:
            element.pieces.append(data)

    def _closes_itself(self) -> bool:
        return (self.get_starttag_text() or "").endswith("/>")

    def all(self, tag: str, **attributes: Any) -> list[Element]:
        """Return the elements of a kind that have these attributes."""
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(element.attributes.get(k.strip("_")) == v for k, v in attributes.items())
        ]

    def texts(self, tag: str, **attributes: Any) -> list[str]:
        """Return their texts, each on one line."""
        return [" ".join(element.text.split()) for element in self.all(tag, **attributes)]

    def rows(self, caption: str) -> Sequence[list[str]]:
        """Return the cells of the one table whose caption starts so, without its head."""
        rows: list[list[str]] = []
        wanted = False
        for element in self.elements:
            if element.tag == "caption":
                wanted = element.text.strip().startswith(caption)
            elif wanted and element.tag == "tr" and element.inside[-1] == "tbody":
                rows.append([])
            elif wanted and element.tag in {"th", "td"} and "tbody" in element.inside:
                rows[-1].append(" ".join(element.text.split()))
        return rows
