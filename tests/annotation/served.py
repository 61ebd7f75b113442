"""A server of small rooms for tests, and requests to it as the page sends them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np

from pcseg.annotation.desk import Desk
from pcseg.annotation.requests import make_server
from pcseg.annotation.server import LocalServer
from pcseg.annotation.sources import open_place
from pcseg.annotation.training import Training
from pcseg.annotation.wire import unpack
from pcseg.datasets import ClassFile
from tests.annotation.rooms import CLASSES

PAGE = "window-one"


@dataclass
class Client:
    """Sends requests to the page at ``address``; each answers with status, header and arrays."""

    address: str
    page: str = PAGE

    @property
    def port(self) -> int:
        return int(urlsplit(self.address).port or 0)

    @property
    def token(self) -> str:
        return urlsplit(self.address).path.strip("/")

    def ask(self, path: str, **query: Any) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
        return self.raw("GET", f"/{self.token}/{path}?{urlencode({'page': self.page, **query})}")

    def send(self, path: str, **request: Any) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
        body = json.dumps({"page": self.page, **request})
        return self.raw("POST", f"/{self.token}/{path}", body, {"Content-Type": "application/json"})

    def raw(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any], dict[str, np.ndarray]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        if response.headers.get("Content-Type") == "application/octet-stream":
            return response.status, *unpack(raw)
        return response.status, {"text": raw.decode(), "headers": dict(response.headers)}, {}


def make_desk(root: Path, tool: Path = Path("none.py"), steps: int = 1, extra: tuple[str, ...] = ()) -> Desk:
    place = open_place(root, ClassFile(CLASSES))
    return Desk(place, "Ada", Training(place, tool, steps, extra))


@contextmanager
def served(desk: Desk) -> Iterator[tuple[Client, LocalServer]]:
    server, address = make_server(desk)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Client(address), server
    finally:
        server.shutdown()
        server.server_close()
        desk.close()
        thread.join()
