"""What makes Okta let a request in: an API token, or a service app's token bound by DPoP."""

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol, cast

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from mfagap.errors import AccessRefused, SettingsError, SourceError
from mfagap.okta.credentials import Secret, ServiceApp
from mfagap.okta.transport import Answer, Transport

ASSERTION_S = 300
"""How long a client assertion is good for; Okta allows an hour."""
RENEW_S = 60
"""How long before its end a token is renewed."""
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

SigningKey = jwk.RSAKey | jwk.ECKey


class Auth(Protocol):
    """Gives each request its right to be answered."""

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the headers for one try of one request.

        Raises:
            AccessRefused: Okta gives no token.
        """
        ...

    def retry(self, answer: Answer) -> bool:
        """Tell whether the request is worth another try after a refusal."""
        ...


class ApiToken:
    """An SSWS token: the same header each time."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the token's header."""
        return {"Authorization": f"SSWS {self._token.reveal()}"}

    def retry(self, answer: Answer) -> bool:
        """Return False: a token that is refused stays refused."""
        return False


class ServiceAppToken:
    """An access token, fetched with the app's private key and renewed before it ends.

    A proof of possession (DPoP, RFC 9449) goes with every request. Its key lives and dies with this
    object. Where the app does not ask for proofs, Okta's answer says ``Bearer``, and none is sent.

    Args:
        app: The service app.
        org_url: Of the org.
        transport: Sends the requests for tokens; its time is what they are dated by.

    Raises:
        SettingsError: The private key is of no use.
    """

    def __init__(self, app: ServiceApp, org_url: str, transport: Transport) -> None:
        self._app = app
        self._key = signing_key(app.private_key)
        self._kid = app.key_id or self._key.kid
        self._url = f"{org_url}/oauth2/v1/token"
        self._transport = transport
        self._proof_key = jwk.ECKey.generate_key("P-256")
        self._nonce: str | None = None
        self._token: Secret | None = None
        self._kind = "DPoP"
        self._renew_at = 0.0

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the token's header and, where it is bound, a new proof."""
        token = self._token
        if token is None or self._transport.now() >= self._renew_at:
            token = self._fetch()
        headers = {"Authorization": f"{self._kind} {token.reveal()}"}
        if self._kind == "DPoP":
            headers["DPoP"] = self._proof(method, url, token)
        return headers

    def retry(self, answer: Answer) -> bool:
        """Note a new nonce, or drop the token that is no longer accepted."""
        if (nonce := _nonce(answer)) and nonce != self._nonce:
            self._nonce = nonce
        else:
            self._token = None
        return True

    def _fetch(self) -> Secret:
        ahead = self._transport.ahead
        answer = self._ask()
        # What refuses may also tell what was missing: the time first, if ours is far off.
        if answer.status != 200 and abs(self._transport.ahead - ahead) > RENEW_S:
            answer = self._ask()
        if answer.status != 200 and (nonce := _nonce(answer)) and nonce != self._nonce:
            self._nonce = nonce
            answer = self._ask()
        said = _object(answer.body)
        if answer.status != 200:
            raise AccessRefused(self._refusal(answer.status, said))
        token, kind, lifetime = (
            said.get("access_token"),
            str(said.get("token_type")).lower(),
            said.get("expires_in"),
        )
        usable = isinstance(token, str) and token.isascii() and token.isprintable()
        if not usable or kind not in {"dpop", "bearer"} or not isinstance(lifetime, int):
            raise SourceError("Okta's answer to the request for a token holds no token of use")
        self._token = Secret(cast("str", token))
        self._kind = "DPoP" if kind == "dpop" else "Bearer"
        self._renew_at = self._transport.now() + max(lifetime - RENEW_S, 0)
        return self._token

    def _ask(self) -> Answer:
        # Dated and numbered anew for each try: Okta takes neither an assertion nor a proof twice.
        return self._transport.send(
            lambda: self._transport.request(
                "POST",
                self._url,
                {"DPoP": self._proof("POST", self._url)},
                {
                    "grant_type": "client_credentials",
                    "scope": " ".join(self._app.scopes),
                    "client_assertion_type": (
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    ),
                    "client_assertion": self._assertion(),
                },
            )
        )

    def _assertion(self) -> str:
        now = int(self._transport.now())
        header = {"alg": _algorithm(self._key)}
        if self._kid:
            header["kid"] = self._kid
        claims = {
            "iss": self._app.client_id,
            "sub": self._app.client_id,
            "aud": self._url,
            "iat": now,
            "exp": now + ASSERTION_S,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(header, claims, self._key, [header["alg"]])

    def _proof(self, method: str, url: str, token: Secret | None = None) -> str:
        claims = {
            "htm": method,
            "htu": url.partition("?")[0].partition("#")[0],
            "iat": int(self._transport.now()),
            "jti": secrets.token_urlsafe(16),
        }
        if self._nonce:
            claims["nonce"] = self._nonce
        if token is not None:
            digest = sha256(token.reveal().encode("ascii")).digest()
            claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        header = {
            "typ": "dpop+jwt",
            "alg": "ES256",
            "jwk": self._proof_key.as_dict(private=False),
        }
        return jwt.encode(header, claims, self._proof_key, ["ES256"])

    def _refusal(self, status: int, said: Mapping[str, Any]) -> str:
        problem = plain(said.get("error")) or f"status {status}"
        detail = plain(said.get("error_description"))
        text = f"Okta gives the service app no token: {problem}{detail and ': ' + detail}"
        if problem == "invalid_scope":
            text += f"; asked for were {' '.join(self._app.scopes)}: grant them to the app"
        return text


def signing_key(text: Secret) -> SigningKey:
    """Return the private key that ``text`` holds as PEM or as JWK.

    Raises:
        SettingsError: It is no private RSA or EC key without a password.
    """
    kinds: tuple[type[SigningKey], ...] = (jwk.RSAKey, jwk.ECKey)
    for kind in kinds:
        try:
            key = kind.import_key(_jwk_or_pem(text.reveal()))
            algorithm = _algorithm(key)
            jwt.encode({"alg": algorithm}, {}, key, [algorithm])
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue  # of the other kind, or no key; what it says may quote the key
        return key
    raise SettingsError(
        "the service app's private key is of no use: it must be a private RSA or EC key, as PEM "
        "without a password or as a JWK"
    )


def plain(value: object) -> str:
    """Return what Okta said, short enough and clean enough to be shown."""
    return re.sub(r"[^\x20-\x7e]", " ", value)[:300].strip() if isinstance(value, str) else ""


def _jwk_or_pem(text: str) -> jwk.DictKey | str:
    return json.loads(text) if text.startswith("{") else text


def _algorithm(key: SigningKey) -> str:
    if isinstance(key, jwk.RSAKey):
        return key.alg if key.alg in ("RS384", "RS512") else "RS256"
    return _CURVES[key.curve_name]


def _nonce(answer: Answer) -> str | None:
    """Return the nonce that Okta wants in the next proof, if that is why it refused."""
    challenge = answer.headers.get("www-authenticate", "")
    if "use_dpop_nonce" in (*challenge.split('"'), _object(answer.body).get("error")):
        return answer.headers.get("dpop-nonce")
    return None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said: Any = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
