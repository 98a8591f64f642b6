"""A way to the proxy that can be cut, as a network is that goes away."""

import socket
import threading
from contextlib import suppress

PIECE = 65_536


class Relay:
    """Passes bytes on to a port of this machine, both ways.

    Args:
        port: Where the proxy listens.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and let none through."""
        self._is_cut = True
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let them through again."""
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            caller, _ = self._listener.accept()
            if self._is_cut:
                caller.close()
                continue
            try:
                proxy = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                caller.close()
                continue
            for pair in ((caller, proxy), (proxy, caller)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        self._open.add(source)
        with suppress(OSError):
            while piece := source.recv(PIECE):
                sink.sendall(piece)
        self._open.discard(source)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
