"""The demo's org, served by the fake one: its log as files, and its policies over HTTP."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from examples import demo_org, demo_policies, log_shapes
from tests.fake_okta.server import MANAGE_SCOPES, TOKEN, FakeOkta

POLICIES = ("OKTA_SIGN_ON", "MFA_ENROLL", "ACCESS_POLICY", "PASSWORD")
LISTS = ("zones", "authenticators", "api_tokens", "groups")


def org() -> dict[str, Any]:
    """Return what ``FakeOkta`` takes: the demo's objects, as its parts have them."""
    parts = demo_policies.parts()
    policies = [policy for kind in POLICIES for policy in parts[kind]]
    (threat_insight,) = parts["threat_insight"]
    return {
        "policies": [{k: v for k, v in policy.items() if k != "rules"} for policy in policies],
        "rules": {policy["id"]: policy["rules"] for policy in policies},
        "threat_insight": threat_insight,
        "factors": {item["userId"]: item["factors"] for item in parts["user_factors"]},
        **{name: parts[name] for name in LISTS},
    }


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Generator[FakeOkta]:
    """Serve the demo's org, to which the environment's credentials lead."""
    given: dict[str, Any] = {"scopes": MANAGE_SCOPES, **org(), **options}
    with FakeOkta(**given) as running:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", running.url)
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", TOKEN)
        yield running


def written(folder: Path) -> tuple[Path, Path]:
    """Write the demo's log and policies below ``folder``, and return where."""
    logs, policies = folder / "logs", folder / "policies"
    demo_org.main(str(logs))
    demo_policies.main(str(policies))
    return logs, policies


def written_plainly(folder: Path) -> tuple[Path, Path]:
    """Write the same, the log in one shape, where it is not about reading: that is faster."""
    logs, policies = folder / "logs", folder / "policies"
    logs.mkdir()
    events = demo_org.log()
    (logs / "okta.ndjson").write_bytes(log_shapes.ndjson(events))
    (logs / "cut.ndjson").write_bytes(log_shapes.ndjson(events[-1:])[:600] + b"\n")
    (logs / "notes.txt").write_bytes(b"exported by the on-call analyst, see the ticket\n")
    demo_policies.main(str(policies))
    return logs, policies
