"""Who still uses Okta's legacy APIs, and what each should move to.

Okta asks its customers to make such a list by hand before they leave the Classic Engine.
"""

from collections.abc import Mapping
from typing import Final

from mfagap.detect.evaluate import Engine, Row
from mfagap.detect.form import content
from mfagap.errors import EngineError
from mfagap.harden import values
from mfagap.harden.sign_ins import NO_CLIENTS, number
from mfagap.model import Detection
from mfagap.model.hardening import LegacyClient

EVENT_TYPES: Final = (
    "policy.evaluate_sign_on",
    "user.session.*",
    "user.authentication.*",
    "user.mfa.*",
    "user.account.*",
)
"""Types of events that the query reads; one that ends in ``*`` stands for all that begin so."""

_INVENTORY: Final = (content() / "queries" / "inventory.sql").read_text("utf-8")
QUERIES: Final = (_INVENTORY,)
"""All SQL that reads ``events`` here."""

WEEK_MS: Final = 7 * 24 * 60 * 60 * 1000

BACK_END: Final = (
    "A back end that passes passwords on: send users to Okta's sign-in page with OpenID Connect "
    "(authorization code and PKCE), and give the back end an OAuth 2.0 service app with a private "
    "key and few scopes in place of its API token."
)
RADIUS: Final = (
    "RADIUS: ask for a second factor in the RADIUS app's own policy, and give the session policy a "
    "rule for RADIUS that asks for one."
)
LDAP: Final = (
    "The LDAP interface: give the session policy a rule for it that asks for a second factor "
    "(clients append the code to the password), or a service account with a rule and zone of its "
    "own; or move the client to OpenID Connect or SCIM."
)
SNOWFLAKE: Final = (
    "Snowflake's connector: authenticator=externalbrowser for people; a key pair or OAuth for "
    "programs."
)
HELPER: Final = (
    "A helper for command lines: OpenID Connect with device authorization, as okta-aws-cli does, "
    "so that the browser asks for the second factor."
)
LIBRARY: Final = (
    "A program: an OAuth 2.0 service app with client credentials and a private key "
    "(private_key_jwt); where a person runs it, device authorization."
)
SESSIONS: Final = (
    "A page that makes sessions by API: OpenID Connect with Okta's sign-in page, which sets the "
    "session itself; none is made from a sessionToken any more."
)
FACTORS: Final = (
    "A page that asks for factors by API: OpenID Connect with Okta's sign-in page, or the "
    "interaction code flow of the Identity Engine, which ask by policy."
)
BROWSER: Final = (
    "A page with a sign-in form of its own: Okta's sign-in page, or a sign-in widget on the "
    "interaction code flow of the Identity Engine."
)
OTHER: Final = (
    "Not known what it is: find its owner; OpenID Connect for what people use, an OAuth 2.0 "
    "service app for programs."
)

_BY_CHANNEL: Final = {"RADIUS": RADIUS, "LDAP_INTERFACE": LDAP}
_BY_AGENT: Final = {"pythonconnector/": SNOWFLAKE}
_BY_KIND: Final = {"helper": HELPER, "library": LIBRARY}
_BY_PATH: Final = {"/api/v1/sessions": SESSIONS, "/api/v1/factors": FACTORS}


def read(
    engine: Engine, span: tuple[int, int, int], detection: Detection
) -> tuple[LegacyClient, ...]:
    """Return every client of ``/api/v1/authn``, ``/sessions`` and ``/factors``, most used first.

    Args:
        engine: Holds ``events``.
        span: From and to (half-open) when, and the watermark, UTC epoch milliseconds. The trend
            compares the week before its end, or before the watermark if that is earlier, with the
            week before.
        detection: Its list ``clients`` tells programs.

    Raises:
        EngineError: The query failed.
    """
    from_ms, to_ms, watermark_ms = span
    end_ms = min(to_ms, watermark_ms + 1)
    parameters = {
        "from": from_ms,
        "to": to_ms,
        "recent": end_ms - WEEK_MS,
        "earlier": end_ms - 2 * WEEK_MS,
    }
    lists = {"clients": detection.lists.get("clients", NO_CLIENTS)}
    rows = engine.run(_INVENTORY, parameters, lists)
    found = [_client(row, parameters) for row in rows]
    found.sort(key=lambda c: (-c.uses, -c.last_ms, c.path, c.login, c.actor_id, repr(c)))
    return tuple(found)


def move_to(
    path: str, user_agent: str | None, kind: str | None, api_token_id: str | None, channel: str
) -> str:
    """Return what a client should move to, a sentence.

    Args:
        path: Of the legacy API.
        user_agent: The client, as it calls itself.
        kind: ``library`` or ``helper``; None for others.
        api_token_id: Of a back end; None where there is none.
        channel: ``RADIUS``, ``LDAP_INTERFACE`` or ``ANY``.
    """
    if api_token_id is not None:
        return BACK_END
    if channel in _BY_CHANNEL:
        return _BY_CHANNEL[channel]
    agent = (user_agent or "").lower()
    for word, sentence in _BY_AGENT.items():
        if word in agent:
            return sentence
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    return _BY_PATH.get(path, BROWSER) if agent.startswith("mozilla/") else OTHER


def _client(row: Row, parameters: Mapping[str, int]) -> LegacyClient:
    try:
        path, user_agent, kind = (
            str(row["path"]),
            values.text(row["user_agent"]),
            values.text(row["client_kind"]),
        )
        token_id = values.text(row["api_token_id"])
        return LegacyClient(
            path=path,
            actor_id=values.text(row["actor_id"]) or "",
            login=values.text(row["login"]) or "",
            user_agent=user_agent,
            client_kind=kind,
            address=values.text(row["address"]),
            api_token_id=token_id,
            rule_id=values.text(row["rule_id"]),
            rule_name=values.text(row["rule_name"]),
            first_ms=number(row, "first_ms"),
            last_ms=number(row, "last_ms"),
            days=number(row, "days"),
            uses=number(row, "uses"),
            trend=_trend(row, parameters),
            move_to=move_to(path, user_agent, kind, token_id, str(row["channel"])),
        )
    except (KeyError, TypeError) as error:
        raise EngineError(f"inventory gave a row of another form: {error!r}") from error


def _trend(row: Row, parameters: Mapping[str, int]) -> str:
    """Return the trend; what began before the log did, or within a week of that, is not known."""
    recent, earlier = number(row, "recent"), number(row, "earlier")
    if recent == 0:
        return "gone"
    if max(parameters["from"], number(row, "oldest_ms")) > parameters["earlier"]:
        return "unknown"
    if number(row, "first_ms") >= parameters["recent"]:
        return "new"
    if 2 * recent >= 3 * earlier:
        return "rising"
    return "falling" if 3 * recent <= 2 * earlier else "steady"
