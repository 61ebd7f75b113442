"""Answer the requests of the page, after checking that they come from it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pcseg.annotation.answers import ANSWERS, SENT
from pcseg.annotation.desk import Desk, HeldElsewhere
from pcseg.annotation.server import LocalServer
from pcseg.annotation.wire import pack
from pcseg.errors import InputError

MOST_BODY = 4 * 2**20
"""Bytes of the largest request."""

SENDING = 60.0
"""Seconds in which a client must have taken an answer."""

TYPES = {
    "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
    "vert": "text/plain; charset=utf-8", "frag": "text/plain; charset=utf-8",
}  # fmt: skip
"""Types of the files of the page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://127.0.0.1:* http://localhost:*"
)
"""Of the browser: nothing is loaded from elsewhere, no text can become a script, notebooks here may frame the page."""

HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
"""Names by which this machine is called; the port may be another one at the far end of an SSH tunnel."""


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name; those that draw light are shared with the pages of pcseg.vis."""
    own, shared = resources.files("pcseg.annotation") / "web", resources.files("pcseg.vis") / "page"
    found = {file.name: file.read_bytes() for file in own.iterdir() if file.name.rpartition(".")[2] in TYPES}
    return found | {name: (shared / name).read_bytes() for name in ("lighting.vert", "lighting.frag")}


def make_server(desk: Desk, port: int = 0, token: str = "") -> tuple[LocalServer, str]:
    """Return a server for ``desk`` and the address of its page, which holds the secret ``token``."""
    token = token or secrets.token_urlsafe(24)
    handler = type("Handler", (_Handler,), {"desk": desk, "token": token, "files": page_files()})
    server = LocalServer(handler, port, desk.sweep)
    return server, f"http://127.0.0.1:{server.port}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    """One request: /<token>/ is the page, /<token>/page/<file> its parts, /<token>/<answer> the rest."""

    server: LocalServer
    desk: Desk
    token: str
    files: dict[str, bytes]
    timeout = 5.0
    server_version, sys_version = "pcseg", ""
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        """Send the page or a part of it, or answer a question that changes nothing."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """Do what the page asks for."""
        self._guarded(self._post)

    def log_message(self, *arguments: Any) -> None:
        """Print nothing: the address is a secret."""

    def _guarded(self, answer: Callable[[list[str]], None]) -> None:
        try:
            refused = self._refused()
            path = urlsplit(self.path).path.split("/")
            if refused:
                self._send(*refused)
            elif len(path) < 3 or not secrets.compare_digest(path[1].encode(), self.token.encode()):
                self._send(404, "not here; use the address that tools/annotate.py printed")
            else:
                answer(path[2:])
        except HeldElsewhere as error:
            self._send(409, str(error))
        except InputError as error:
            self._send(422, str(error))
        except ConnectionError:
            pass  # the client has gone
        except Exception as error:  # a fault of ours must not leave the page waiting
            with suppress(OSError):
                self._send(500, f"{type(error).__name__}: {error}")

    def _refused(self) -> tuple[int, str] | None:
        """Return why a request is none of the page's: its host, or the site whose script sent it."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if not HOST.fullmatch(host):
            return 403, "wrong host"
        if origin is not None and origin != f"http://{host}":
            return 403, "wrong origin"
        followed = self.command == "GET" and self.headers.get("Sec-Fetch-Mode") == "navigate"  # a link, a notebook
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not followed:
            return 403, "wrong site"
        return None

    def _get(self, path: list[str]) -> None:
        if path == [""]:
            path = ["page", "page.html"]
        if path[0] == "page" and len(path) == 2:
            body = self.files.get(path[1])
            if body is None:
                self._send(404, "no such file")
            else:
                self._send(200, body, TYPES[path[1].rpartition(".")[2]])
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self._answer(path, query, ANSWERS)

    def _post(self, path: list[str]) -> None:
        length, kind = self.headers.get("Content-Length", ""), self.headers.get("Content-Type", "")
        if not re.fullmatch("[0-9]{1,12}", length):
            self._send(411, "no length")
        elif int(length) > MOST_BODY:
            self._send(413, f"more than {MOST_BODY:,} bytes")
        elif kind.partition(";")[0].strip() != "application/json":
            self._send(415, "not application/json")
        else:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                return
            request = _table(body)
            if request is None:
                self._send(400, "no JSON table")
            else:
                self._answer(path, request, SENT)

    def _answer(self, path: list[str], request: dict[str, Any], known: dict[str, Any]) -> None:
        if len(path) != 1 or path[0] not in known:
            self._send(404, "no such question")
            return
        self.server.has_read(self.connection)
        about, arrays = known[path[0]](self.desk, request)
        self._send(200, pack(about, arrays), "application/octet-stream")

    def _send(self, status: int, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> None:
        raw = body.encode(errors="backslashreplace") if isinstance(body, str) else body
        self.server.has_read(self.connection)
        self.connection.settimeout(SENDING)
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(raw))), ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("Connection", "close"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


def _table(body: bytes) -> dict[str, Any] | None:
    """Return the JSON table of a request, None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
