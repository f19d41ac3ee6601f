"""Clients of the fake org, with a clock that only sleeping moves, and a search for secrets."""

import logging
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext

import httpx2
from joserfc import jwk
from tests.fake_okta.oauth import App
from tests.fake_okta.server import TOKEN, FakeOkta

from mfagap.okta.client import OktaClient
from mfagap.okta.credentials import Credentials, Secret, ServiceApp

NOW = 1_768_564_800.0
"""2026-01-16T12:00:00Z"""
NOW_MS = int(NOW * 1000)


class Clock:
    """Seconds since the epoch, which pass only in ``sleep``."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@cache
def rsa_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def pem(key: jwk.RSAKey | jwk.ECKey) -> str:
    return key.as_pem(private=True).decode()


def service_app(*scopes: str, key: jwk.RSAKey | jwk.ECKey | None = None) -> ServiceApp:
    return ServiceApp("0oaFake", Secret(pem(key or rsa_key())), "kid1", scopes or _LOGS)


_LOGS = ("okta.logs.read",)


def known_app(*, dpop: bool = True, key: jwk.RSAKey | jwk.ECKey | None = None) -> App:
    return App("0oaFake", key or rsa_key(), dpop=dpop, key_id="kid1")


@cache
def _tls() -> SSLContext:
    """Return what takes a client longest to make, and what no loopback address needs."""
    return httpx2.create_ssl_context()


@contextmanager
def client(
    okta: FakeOkta,
    clock: Clock,
    access: Secret | ServiceApp | None = None,
    share: float = 1.0,
    time_out: float = 5.0,
) -> Generator[OktaClient]:
    with httpx2.Client(timeout=time_out, verify=_tls()) as http:
        credentials = Credentials(okta.url, access or Secret(TOKEN))
        yield OktaClient(credentials, http, clock, clock.sleep, share)


def shown(error: BaseException) -> str:
    """Return all that a traceback and a log of ``error`` would show, causes and contexts too."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        texts += [repr(link), str(link), *traceback.format_exception(link)]
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


class Records(logging.Handler):
    """Keeps every record of every logger, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.args!r}")


@contextmanager
def recorded() -> Generator[Records]:
    root, records = logging.getLogger(), Records()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(records)
    try:
        yield records
    finally:
        root.removeHandler(records)
        root.setLevel(level)
