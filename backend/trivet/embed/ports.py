"""Whether a port can be listened on, asked before anything is started."""

import errno
import socket

from trivet.embed.child import EmbedError

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound


def refuse_port_in_use(host: str, port: int, option: str = "--port") -> None:
    """Raise `EmbedError` where the port cannot be listened on, saying what to do; `option` gives another port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise EmbedError(
                    f"cannot listen on {host}, port {port}: {error.strerror}; see --host, {option}"
                ) from error
            raise EmbedError(
                f"port {port} on {host} is in use: give another with {option} {port + 1}, "
                f"or stop who holds it (`ss -ltnp 'sport = :{port}'` names it)"
            ) from error
