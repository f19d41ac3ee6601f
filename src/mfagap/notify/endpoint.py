"""Where a route connects to: host, port and whom TLS trusts, as its settings have them."""

import ssl

from mfagap.settings import Table

TIMEOUT_S = 10.0

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def host(table: Table) -> str:
    """Return the host that ``table`` names.

    Raises:
        SettingsError: It names none.
    """
    name = table.text("host")
    try:
        name.encode("idna")  # as Python does it to connect
    except UnicodeError as error:
        raise table.off("host", f"{name!r} is no name of a host") from error
    if not name or not name.isprintable() or " " in name:
        raise table.off("host", f"{name!r} is no name of a host")
    return name


def port(table: Table, default: int) -> int:
    """Return the port that ``table`` names.

    Raises:
        SettingsError: It names none.
    """
    number = table.number("port", default)
    if not 1 <= number <= 65535:
        raise table.off("port", f"{number} is not 1 to 65535")
    return number


def trust(table: Table) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, or those in ``ca_file`` alone.

    Raises:
        SettingsError: The file is no PEM, or cannot be read.
    """
    if "ca_file" not in table.values:
        return ssl.create_default_context()
    file = table.path("ca_file")
    try:
        return ssl.create_default_context(cafile=str(file))
    except ssl.SSLError as error:
        raise table.off("ca_file", f"{file}: no certificates in PEM") from error
    except OSError as error:
        raise table.off("ca_file", f"{file}: {error.strerror}") from error


def failure(error: OSError) -> str:
    """Return what to say of ``error``: why a connection failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return f"cannot be reached: {error.strerror or type(error).__name__}"
