"""Which field of a LogEvent becomes which column of ``events``: one line each.

A path names keys as Okta's System Log API spells them (``LogEvent``). How a value is cleaned:

- ``id``: trimmed; empty, ``-`` and ``unknown`` mean *no id* and become NULL
- ``text``: as delivered, save that an empty text is NULL
- ``word``: an enum's word, trimmed
- ``path``: a URI's path: lower case, no scheme and host, query or ``;parameter``, one slash where
  there are several, and none that trails
- ``bigint``, ``boolean``: NULL where the text is neither
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Path = tuple[str, ...]
Clean = Literal["id", "text", "word", "path", "bigint", "boolean"]


@dataclass(frozen=True, slots=True)
class Field:
    """One scalar column: its name, the path in a LogEvent and how its value is cleaned."""

    column: str
    path: Path
    clean: Clean

    @property
    def sql_type(self) -> str:
        """The column's type in the ``events`` view."""
        return {"bigint": "BIGINT", "boolean": "BOOLEAN"}.get(self.clean, "VARCHAR")


def _field(column: str, path: str, clean: Clean = "text") -> Field:
    return Field(column, tuple(path.split(".")), clean)


RECEIVED = "p_parse_time"
"""Top-level text that tells when a delivery was received: Panther's name, kept for every shape."""

SCALARS: tuple[Field, ...] = (
    _field("outcome_result", "outcome.result", "word"),
    _field("outcome_reason", "outcome.reason"),
    _field("actor_id", "actor.id", "id"),
    _field("actor_type", "actor.type", "word"),
    _field("actor_login", "actor.alternateId", "id"),
    _field("client_ip", "client.ipAddress", "id"),
    _field("user_agent", "client.userAgent.rawUserAgent"),
    _field("client_zone", "client.zone", "word"),
    _field("country", "client.geographicalContext.country"),
    _field("city", "client.geographicalContext.city"),
    _field("as_number", "securityContext.asNumber", "bigint"),
    _field("as_org", "securityContext.asOrg"),
    _field("is_proxy", "securityContext.isProxy", "boolean"),
    _field("session_id", "authenticationContext.externalSessionId", "id"),
    _field("root_session_id", "authenticationContext.rootSessionId", "id"),
    _field("credential_type", "authenticationContext.credentialType", "word"),
    _field("credential_provider", "authenticationContext.credentialProvider", "word"),
    _field("authentication_provider", "authenticationContext.authenticationProvider", "word"),
    _field("issuer_id", "authenticationContext.issuer.id", "id"),
    _field("transaction_id", "transaction.id", "id"),
    _field("api_token_id", "transaction.detail.requestApiTokenId", "id"),
    _field("root_api_token_id", "transaction.detail.rootApiTokenId", "id"),
)
"""Scalars outside ``debugContext.debugData``."""

DEBUG: tuple[Field, ...] = (
    _field("request_id", "requestId", "id"),
    _field("authn_request_id", "authnRequestId", "id"),
    _field("request_uri", "requestUri", "path"),
    _field("auth_type", "authType", "word"),
    _field("factor", "factor", "word"),
    _field("factor_intent", "factorIntent", "word"),
    _field("method_type_used", "methodTypeUsed", "word"),
    _field("prompting_policy_types", "promptingPolicyTypes"),
    _field("dt_hash", "dtHash", "id"),
    _field("device_fingerprint", "deviceFingerprint", "id"),
    _field("idp_mfa_verified", "mfaVerified", "word"),
    _field("original_principal_id", "originalPrincipal.id", "id"),
    _field("threat_suspected", "threatSuspected", "boolean"),
    _field("behaviors", "behaviors"),
)
"""Scalars inside ``debugContext.debugData``, whose values are texts and whose keys come and go."""

DEBUG_DATA: Path = ("debugContext", "debugData")
TARGET: Path = ("target",)

DERIVED: Mapping[str, tuple[Path, ...]] = {
    "received_ms": ((RECEIVED,),),
    "event_day": (("published",),),
    "method_type_used": ((*DEBUG_DATA, "methodTypeUsed"), TARGET),
    "new_device": ((*DEBUG_DATA, "behaviors"),),
    "new_ip": ((*DEBUG_DATA, "behaviors"),),
    "risk_level": ((*DEBUG_DATA, "risk"),),
    "amr_list": ((*DEBUG_DATA, "amrList"),),
    "idp_id": (("authenticationContext", "issuer", "id"), TARGET),
    **dict.fromkeys(("policy_kind", "policy_id", "policy_name", "rule_id", "rule_name"), (TARGET,)),
    **dict.fromkeys(("target_type", "target_id", "target_login", "target_name"), (TARGET,)),
    "other_target_name": (TARGET,),
    "targets": (TARGET,),
    "debug_data": (DEBUG_DATA,),
    "raw": ((),),
}
"""The paths that each computed column reads; its SQL is in ``projection``."""

OF_RAW: Mapping[str, Path] = {"targets": TARGET, "debug_data": DEBUG_DATA}
"""Columns that stand whole in ``raw``, and so are not stored beside it."""

DEBUG_KEYS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *(field.path[0] for field in DEBUG),
            *(
                key
                for paths in DERIVED.values()
                for path in paths
                if path[:2] == DEBUG_DATA
                for key in path[2:3]
            ),
        )
    )
)
"""Every key of ``debugContext.debugData`` that some column reads."""

COLUMNS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *("uuid", "event_type", "event_ms", "received_ms", "event_day"),
            *(field.column for field in (*SCALARS, *DEBUG)),
            *DERIVED,
        )
    )
)
"""Every column of ``events``, in its order."""

STORED: tuple[str, ...] = tuple(name for name in COLUMNS if name not in OF_RAW)
"""The columns that the durable lake stores; of the others it has what they are made of."""

OBJECTS: tuple[Path, ...] = tuple(
    sorted(
        {field.path[:length] for field in SCALARS for length in range(1, len(field.path))}
        | {DEBUG_DATA[:1], DEBUG_DATA}
    )
)
"""Paths at which a LogEvent has an object or null, and nothing else; each after those above it."""

IDENTITY: tuple[str, ...] = ("uuid", "published", "eventType")
"""Top-level texts without which an event cannot be used."""

NO_ID: tuple[str, ...] = ("", "-", "unknown")
"""Texts that stand for *no id* (OKTA.md; compared in lower case)."""
