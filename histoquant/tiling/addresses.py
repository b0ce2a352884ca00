"""Which addresses of a scheduler are safe to send slides and code to."""

from __future__ import annotations

import re
from typing import Final

from histoquant.errors import UsageError

_TLS_KEYS: Final = "dask config key distributed.comm.tls"


def check_scheduler_address(address: str) -> None:
    """Refuse an address where others could read slides or run code.

    Raises
    ------
    UsageError
        If the address is no ``tls://`` address and does not lie on loopback.
    """
    match = re.fullmatch(r"(?P<scheme>tls|tcp)://(?P<host>\[[0-9a-f:]+\]|[^:/\[\]]+):(?P<port>\d+)", address)
    if match is None:
        raise UsageError(f"--scheduler {address}: not an address. Expected tls://host:port.")
    loopback = match["host"] in {"localhost", "[::1]"} or re.fullmatch(r"127(\.\d+){3}", match["host"])
    if match["scheme"] == "tcp" and not loopback:
        raise UsageError(
            f"--scheduler {address}: a plain tcp scheduler lets anyone on the network run code. "
            f"Use tls:// with certificates ({_TLS_KEYS})."
        )


def refuse_without_certificates(address: str) -> None:
    """Refuse a TLS address where no certificates are configured.

    Before a client is made: without them it fails in words of its own, and takes a minute to go away.

    Raises
    ------
    UsageError
        If they are not configured, or cannot be read.
    """
    from distributed.security import Security

    if not address.startswith("tls://"):
        return
    try:
        ready = Security().get_connection_args("client")["ssl_context"] is not None
    except OSError as error:  # also what ssl raises for a file that holds no certificate
        raise UsageError(
            f"--scheduler {address}: the certificates in the Dask configuration cannot be read ({error}). "
            f"See {_TLS_KEYS}."
        ) from error
    if not ready:
        raise UsageError(
            f"--scheduler {address}: no certificates are configured. Set ca-file, client.cert and client.key "
            f"({_TLS_KEYS}), in ~/.config/dask or as DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on."
        )
