"""A small web server for one person on this machine: few threads, short waits, and no door but a secret address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

THREADS = 24
"""Requests that are worked on at a time."""

PATIENCE = 10.0
"""Seconds in which a request must have come in whole."""

BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LocalServer(ThreadingHTTPServer):
    """Serves ``handler`` on ``port`` (0: a free one) of the loopback address 127.0.0.1 alone.

    At most THREADS requests are worked on. A client that has not sent its request within PATIENCE is cut off, and one
    that is slow at it as soon as its thread is needed for another. ``tick`` is called every second or so.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[Any], port: int, tick: Callable[[], object] = lambda: None) -> None:
        self._free = threading.BoundedSemaphore(THREADS)
        self._reading: dict[int, tuple[float, socket.socket]] = {}
        self._changing = threading.Lock()
        self._tick, self._ticked = tick, 0.0
        super().__init__(("127.0.0.1", port), handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Work on a request in a thread of its own; where none is free, end the slowest, or refuse."""
        if not self._free.acquire(blocking=False):
            self._cut_off(older_than=0.5, most=4)
            if not self._free.acquire(timeout=1.0):
                with suppress(OSError):
                    request.settimeout(0.2)
                    request.sendall(BUSY)
                self.shutdown_request(request)
                return
        with self._changing:
            self._reading[id(request)] = (time.monotonic(), request)
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._done(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Work on a request, then free its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def has_read(self, request: Any) -> None:
        """Note that a request has come in whole: from now on its client is not to blame for the time it takes."""
        with self._changing:
            self._reading.pop(id(request), None)

    def service_actions(self) -> None:
        """Cut off clients that have not sent their requests in time."""
        self._cut_off(older_than=PATIENCE)
        if time.monotonic() - self._ticked > 1:
            self._ticked = time.monotonic()
            self._tick()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def _cut_off(self, older_than: float, most: int = THREADS) -> None:
        """End up to ``most`` requests that have been read for longer than ``older_than`` seconds, oldest first."""
        now = time.monotonic()
        with self._changing:
            slow = sorted((began, key) for key, (began, _) in self._reading.items() if now - began > older_than)
            sockets = [self._reading[key][1] for _, key in slow[:most]]
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _done(self, request: Any) -> None:
        self.has_read(request)
        with suppress(ValueError):
            self._free.release()
