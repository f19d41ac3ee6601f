"""A page in one file, without script and without network: what every HTML report is made with.

Every text that a template prints passes through ``_printed``: cleaned, cut and then escaped. Nobody
has to remember it, and the policy in the page's head lets nothing run or load should it ever fail.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import IO, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mfagap.detect.evaluate import rfc3339
from mfagap.report import clean

STYLE = "scan.css"
"""The style sheet of every page."""

_TEXT = 160
"""Characters of a text from the log, unless a template asks for more."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return what renders the templates, with the filters that they use.

    It keeps what it has compiled, which takes longer than to render a usual page.
    """
    made = Environment(
        loader=PackageLoader("mfagap.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printed,
    )
    filters: dict[str, Any] = {
        "cut": _cut,
        "lines": _lines,
        "moment": _moment,
        "number": "{:,}".format,
        "utc": rfc3339,
        "words": _words,
    }
    made.filters.update(filters)
    return made


def write(made: Environment, template: str, view: Mapping[str, Any], out: IO[str]) -> None:
    """Write ``template`` to ``out``: pure ASCII, so that no encoding of the output can spoil it.

    Args:
        made: See ``environment``.
        template: Its name.
        view: All that it names, but ``policy``, the policy in its head.
        out: Where to write.
    """
    page = made.get_template(template).generate({**view, "policy": _policy(made)})
    for piece in page:
        out.write(ascii_of(piece).decode())


def ascii_of(text: str) -> bytes:
    """Return ``text`` as it is written."""
    return text.encode("ascii", "xmlcharrefreplace")


def _policy(made: Environment) -> str:
    """Return a content security policy that lets in the style sheet, and nothing else."""
    style = made.get_template(STYLE).render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _printed(value: object) -> object:
    """Return what an expression of a template prints; markup was cleaned when it was made."""
    return clean.html(value, _TEXT) if isinstance(value, str) and not _is_markup(value) else value


def _is_markup(value: str) -> bool:
    return isinstance(value, Markup)


def _cut(text: str, limit: int) -> Markup:
    """Return ``text`` with another limit than the usual one."""
    return escape(clean.html(text, limit))


def _lines(text: str) -> Markup:
    return escape(clean.html_lines(text))


def _words(name: str) -> str:
    """Return an identifier as words."""
    return name.replace("_", " ")


def _moment(ms: int) -> str:
    """Return UTC epoch milliseconds for reading; the exact time is in the element's attribute."""
    return rfc3339(ms).removesuffix("Z")[:19].replace("T", " ")
