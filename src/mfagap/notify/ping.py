"""A dead man's switch: it is pinged after each good run, and tells people where no ping comes.

Any service that takes a GET will do. A run that failed is told at ``<URL>/fail``, as
healthchecks.io has it, where the settings ask for it.
"""

import httpx2

from mfagap.errors import NotifyError
from mfagap.notify.endpoint import TIMEOUT_S
from mfagap.notify.webhook import checked
from mfagap.settings import Table


class Ping:
    """Asks for a URL, which is a secret: it stands in no error.

    Args:
        url: Of the switch; https, or loopback.
        fail: Whether to tell of runs that failed.
    """

    def __init__(self, url: str, *, fail: bool) -> None:
        """See the class."""
        self._url = httpx2.URL(url)
        self._fail = fail

    def send(self, *, good: bool) -> bool:
        """Tell how a run ended; return whether anything was sent.

        Raises:
            NotifyError: It was not taken.
        """
        if good:
            _get(self._url)
        elif self._fail:
            _get(self._url.copy_with(path=f"{self._url.path.rstrip('/')}/fail"))
        return good or self._fail


def _get(url: httpx2.URL) -> None:
    """Ask for ``url``; what is answered is not read.

    Raises:
        NotifyError: It was not taken.
    """
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as http,
            http.stream("GET", url) as answer,
        ):
            status, good = answer.status_code, answer.is_success
    except httpx2.HTTPError as error:
        raise NotifyError(f"cannot be reached: {type(error).__name__}") from None
    if not good:
        raise NotifyError(f"answered {status}")


def build(table: Table) -> Ping:
    """Return the switch that ``table`` describes.

    Raises:
        SettingsError: ``table`` is off.
    """
    table.only("url_variable", "fail")
    return Ping(checked(table.secret("url_variable"), table), fail=table.flag("fail"))
