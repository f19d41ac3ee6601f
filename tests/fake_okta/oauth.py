"""Who may ask: SSWS tokens, and service apps by private-key JWT and DPoP (RFC 7523, 9449)."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

SIGNED = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class App:
    """A service app: its public key, the scopes that it was granted, and whether it needs DPoP."""

    client_id: str
    public_key: jwk.RSAKey | jwk.ECKey
    scopes: frozenset[str] = frozenset({"okta.logs.read", "okta.policies.read"})
    dpop: bool = True
    key_id: str | None = None


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that lets nobody in."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class _Token:
    scopes: frozenset[str]
    thumbprint: str | None
    until: float


def _oauth(error: str, description: str, **headers: str) -> Refusal:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(400, {"error": error, "error_description": description}, named)


def _unauthorized(error: str) -> Refusal:
    summary = {"errorCode": "E0000011", "errorSummary": "Invalid token provided"}
    return Refusal(401, summary, {"WWW-Authenticate": f'DPoP error="{error}"'})


class Doorman:
    """Gives tokens to apps and checks what each request brings.

    Args:
        url: Of the org.
        clock: Seconds since the epoch.
        token: The SSWS token that is accepted; None for none.
        app: The service app that is known; None for none.
        scopes: What the SSWS token's owner may read.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float],
        token: str | None,
        app: App | None,
        scopes: frozenset[str],
    ) -> None:
        self._url = url
        self._clock = clock
        self._ssws = token
        self._app = app
        self._scopes = scopes
        self._tokens: dict[str, _Token] = {}
        self._seen: set[str] = set()
        self.nonce = secrets.token_urlsafe(8)
        self.wants_nonce_everywhere = False
        self.given: list[str] = []

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def token(self, form: Mapping[str, str], proof: str | None) -> Mapping[str, Any]:
        """Return the answer of the token endpoint."""
        app = self._app
        if app is None or form.get("client_assertion_type") != BEARER:
            raise _oauth("invalid_client", "No client of this kind")
        self._assert(app, form.get("client_assertion", ""))
        scopes = frozenset(form.get("scope", "").split())
        if form.get("grant_type") != "client_credentials" or not scopes:
            raise _oauth("invalid_request", "grant_type and scope are needed")
        if not scopes <= app.scopes:
            raise _oauth("invalid_scope", "One or more scopes are not granted to the client")
        thumbprint = None
        if proof is not None:
            thumbprint = self._proof(proof, "POST", f"{self._url}/oauth2/v1/token", None)
        if app.dpop and thumbprint is None:
            raise _oauth("invalid_dpop_proof", "The DPoP proof JWT header is missing")
        token = secrets.token_urlsafe(24)
        kept = thumbprint if app.dpop else None
        self._tokens[token] = _Token(scopes, kept, self._clock() + 3600)
        self.given.append(token)
        kind = "DPoP" if app.dpop else "Bearer"
        return {"token_type": kind, "expires_in": 3600, "access_token": token}

    def _assert(self, app: App, assertion: str) -> None:
        try:
            token = jwt.decode(assertion, app.public_key, SIGNED)
        except (JoseError, ValueError) as error:
            raise _oauth("invalid_client", "The client assertion's signature is off") from error
        claims, now = token.claims, self._clock()
        wanted = {"iss": app.client_id, "sub": app.client_id, "aud": f"{self._url}/oauth2/v1/token"}
        if any(claims.get(name) != value for name, value in wanted.items()):
            raise _oauth("invalid_client", "iss, sub or aud is off")
        if app.key_id is not None and token.header.get("kid") != app.key_id:
            raise _oauth("invalid_client", "kid is off")
        if not now < claims["exp"] <= now + 3600 or abs(claims["iat"] - now) > 300:
            raise _oauth("invalid_client", "The client assertion is expired")
        self._once(claims["jti"], _oauth("invalid_client", "jti was used before"))

    def _proof(self, proof: str, method: str, url: str, token: str | None) -> str:
        """Check a DPoP proof and return the thumbprint of its key."""
        try:
            header = jws.extract_compact(proof.encode()).headers()
            key = jwk.import_key(cast("jwk.DictKey", header["jwk"]))
            claims = jwt.decode(proof, key, SIGNED).claims
        except (JoseError, ValueError, KeyError) as error:
            raise _off("no JWT that its own key signed", token) from error
        if header.get("typ") != "dpop+jwt" or key.is_private:
            raise _off("typ or jwk", token)
        if (claims.get("htm"), claims.get("htu")) != (method, url):
            raise _off("htm or htu", token)
        if abs(claims["iat"] - self._clock()) > 300:
            raise _off("iat", token)
        if token is not None and claims.get("ath") != _digest(token):
            raise _off("ath", token)
        if (token is None or self.wants_nonce_everywhere) and claims.get("nonce") != self.nonce:
            raise self._challenge(token)
        self._once(claims["jti"], _off("jti was used before", token))
        return key.thumbprint()

    def _challenge(self, token: str | None) -> Refusal:
        if token is None:
            return _oauth("use_dpop_nonce", "A nonce is needed", DPoP_Nonce=self.nonce)
        refusal = _unauthorized("use_dpop_nonce")
        return Refusal(401, refusal.body, {**refusal.headers, "DPoP-Nonce": self.nonce})

    def _once(self, jti: str, refusal: Refusal) -> None:
        if jti in self._seen:
            raise refusal
        self._seen.add(jti)

    def check(self, scope: str, method: str, url: str, headers: Mapping[str, str]) -> None:
        """Let a request of the API in, or raise ``Refusal``; ``headers`` by lower-case name."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind == "SSWS" and self._ssws is not None and secrets.compare_digest(value, self._ssws):
            scopes = self._scopes
        else:
            token = self._tokens.get(value)
            if kind not in {"DPoP", "Bearer"} or token is None or token.until < self._clock():
                raise _unauthorized("invalid_token")
            if token.thumbprint is not None:
                bare = url.partition("?")[0]
                proof = headers.get("dpop", "")
                if kind != "DPoP" or self._proof(proof, method, bare, value) != token.thumbprint:
                    raise _off("not the key that the token is bound to", value)
            scopes = token.scopes
        # Who may manage may read.
        if scope not in scopes and scope.replace(".read", ".manage") not in scopes:
            summary = "You do not have permission to perform the requested action"
            raise Refusal(403, {"errorCode": "E0000006", "errorSummary": summary})


def _off(what: str, token: str | None) -> Refusal:
    if token is None:
        return _oauth("invalid_dpop_proof", what)
    challenge = f'DPoP error="invalid_dpop_proof", error_description="{what}"'
    return Refusal(400, {"errorCode": "E0000001"}, {"WWW-Authenticate": challenge})


def _digest(token: str) -> str:
    return urlsafe_b64encode(sha256(token.encode()).digest()).decode().rstrip("=")
