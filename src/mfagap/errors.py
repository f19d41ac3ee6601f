"""Every error that mfagap raises on purpose, as one tree.

::

    MfagapError                  exit 1   anything below; never raised itself
    ├── UsageError               exit 2   the call's words are off
    │   └── SettingsError        exit 2   a settings file or variable is off
    ├── NothingReadable          exit 3   no Okta event in all of the input
    ├── ContentError             exit 1   a detection or case folder is off; names file and line
    ├── EngineError              exit 1   the SQL engine refused a query
    │   └── QueryTooLarge        exit 1   it gives or needs more than there is room for
    │       └── AnswerTooLarge   exit 1   it gives more rows or text than may be
    ├── LakeError                exit 1   the stored events cannot be read or written
    ├── SourceError              exit 1   a feed could not be read
    │   ├── CursorRefused        exit 1   it no longer knows where we left off
    │   ├── AccessRefused        exit 1   the credentials do not allow it; names what would
    │   └── AnswerLost           exit 1   a write was not answered: it may have been done
    ├── OutputError              exit 1   a result could not be written
    ├── PlanRefused              exit 1   the org is not as a plan takes it to be
    ├── NotifyError              exit 1   a notice was not taken where it was sent
    └── StateError               exit 1   the state folder is off, full or of a newer mfagap
        └── StateBusy            exit 4   another process is at work in it

Each carries the process's exit code, so that the command line maps none by hand.
Exit 0 means done; exit 10 means that ``--fail-on`` found what it was asked to look for.
"""

from typing import ClassVar


class MfagapError(Exception):
    """Base of every error that mfagap raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(MfagapError):
    """The call's words are off: an option, a time, a path that is not there."""

    exit_code = 2


class SettingsError(UsageError):
    """A settings file or an environment variable is off."""


class NothingReadable(MfagapError):
    """Not one Okta event in all of the input; says what was expected."""

    exit_code = 3


class ContentError(MfagapError):
    """A detection or case folder is off.

    Args:
        message: What is wrong and how to mend it.
        file: Path of the file, as the reader knows it.
        line: 1-based line, where one is known.
    """

    def __init__(self, message: str, file: str, line: int | None = None) -> None:
        """See the class."""
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file = file
        self.line = line


class EngineError(MfagapError):
    """The SQL engine refused a query, or ran out of time, memory or disk."""


class QueryTooLarge(EngineError):
    """A query gives or needs more than there is room for; asked about less, it may not."""


class AnswerTooLarge(QueryTooLarge):
    """A query gives more rows or text than it may; asked about less, it gives less."""


class LakeError(MfagapError):
    """The stored events cannot be read or written; says what to do, and what is not lost."""


class SourceError(MfagapError):
    """A feed could not be read: unreachable, failing for too long, or answering nonsense.

    Args:
        message: What is wrong.
        status: HTTP's, where the feed answered and refused.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """See the class."""
        super().__init__(message)
        self.status = status


class CursorRefused(SourceError):
    """The feed no longer accepts the place where we left off."""


class AccessRefused(SourceError):
    """The credentials are not accepted, or lack the scope or role that the message names."""


class AnswerLost(SourceError):
    """A write was sent once and not answered: it may have been done, or not; look before again."""


class OutputError(MfagapError):
    """A result could not be written."""


class PlanRefused(MfagapError):
    """The org is not as a plan takes it to be; says what differs and what was written."""


class StateError(MfagapError):
    """The state folder cannot be read or written, is damaged, or is of a newer mfagap."""


class StateBusy(StateError):
    """Another process is at work in the state folder."""

    exit_code = 4


class NotifyError(MfagapError):
    """A notice was not taken where it was sent; it is tried again, and then parked."""
