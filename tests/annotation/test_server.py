"""The door of the server: only the page of this machine comes in, and nobody can hold it open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcseg.annotation import server as server_module
from pcseg.annotation.server import THREADS
from tests.annotation.rooms import write_root
from tests.annotation.served import Client, make_desk, served

ROOM = "train/room"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served(make_desk(write_root(tmp_path_factory.mktemp("root"), count=90))) as (found, _):
        yield found


def test_only_the_loopback_address_listens(tmp_path: Path) -> None:
    with served(make_desk(write_root(tmp_path, count=90))) as (_, server):
        assert server.server_address[0] == "127.0.0.1"


def test_the_page_and_its_files_are_sent_with_a_strict_policy(client: Client) -> None:
    status, about, _ = client.ask("")
    assert status == 200
    assert "Label a scan" in about["text"]
    assert "default-src 'none'" in about["headers"]["Content-Security-Policy"]
    assert "unsafe" not in about["headers"]["Content-Security-Policy"]
    assert about["headers"]["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in about["headers"]
    status, about, _ = client.ask("page/main.js")
    assert (status, about["headers"]["Content-Type"]) == (200, "text/javascript; charset=utf-8")


@pytest.mark.parametrize("path", ["/", "/start", "/wrong/start", "//start", "/{t}x/start", "/{t}", "/%2e%2e/{t}/start"])
def test_without_the_token_nothing_is_told(client: Client, path: str) -> None:
    status, about, _ = client.raw("GET", path.replace("{t}", client.token))
    assert status == 404
    assert client.token not in about["text"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": ""},
        {"Host": "192.168.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_sites_are_refused(client: Client, headers: dict[str, str], method: str) -> None:
    filled = {name: value.replace("{port}", str(client.port)) for name, value in headers.items()}
    body = None if method == "GET" else '{"page":"window-one","scene":"train/room"}'
    path = "start" if method == "GET" else "open"
    filled |= {"Content-Type": "application/json"}
    status, about, arrays = client.raw(method, f"/{client.token}/{path}", body, filled)
    assert status == 403
    assert about["text"].startswith("wrong ")
    assert not arrays


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "localhost:9999", "[::1]:9999"])
def test_the_names_of_this_machine_are_welcome_also_through_a_tunnel(client: Client, host: str) -> None:
    name = host.replace("{port}", str(client.port))
    status, about, _ = client.raw("GET", f"/{client.token}/start", None, {"Host": name, "Origin": f"http://{name}"})
    assert status == 200
    assert about["scenes"][0]["name"] == ROOM


def test_a_link_to_the_page_may_be_followed_from_anywhere(client: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.raw("GET", f"/{client.token}/", None, headers)[0] == 200
    headers |= {"Content-Type": "application/json"}
    assert client.raw("POST", f"/{client.token}/open", "{}", headers)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "page/../requests.py", "page/..%2frequests.py", "page/%2e%2e/%2e%2e/pyproject.toml", "page//etc/passwd",
        "page/", "page/page.html/..", "../../etc/passwd", "page/..", "page/requests.py", "act/../start",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(client: Client, path: str) -> None:
    assert client.raw("GET", f"/{client.token}/{path}")[0] == 404


@pytest.mark.parametrize(
    "name", ["../train/room", "train/../train/room", "/etc/passwd", "train/room\0", "", "annotations/x", "..", "<b>"]
)
def test_a_scene_that_is_not_listed_is_refused_and_leaves_no_file(client: Client, name: str) -> None:
    assert client.send("open", scene=name)[0] == 422
    assert client.ask("points", scene=name, **{"from": 0})[0] == 409


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 1073741824\r\nContent-Type: application/json", 413),
        ("Content-Length: -1\r\nContent-Type: application/json", 411),
        ("Content-Length: 1e3\r\nContent-Type: application/json", 411),
        ("Transfer-Encoding: chunked\r\nContent-Type: application/json", 411),
        ("Content-Length: 2\r\nContent-Type: text/plain", 415),
        ("Content-Length: 2", 415),
    ],
)
def test_bodies_too_large_or_of_no_length_are_refused_before_they_are_read(
    client: Client, headers: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=5) as connection:
        head = f"POST /{client.token}/open HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{{}}"
        connection.sendall(head.encode())
        assert connection.recv(20).split()[1] == str(status).encode()


@pytest.mark.parametrize("body", ["", "[]", "1", "{", '{"page": 1}', "[" * 100000, '{"page":"x"}', "\xff"])
def test_bodies_that_make_no_sense_are_refused(client: Client, body: str) -> None:
    status, about, _ = client.raw("POST", f"/{client.token}/open", body, {"Content-Type": "application/json"})
    assert status in (400, 422)
    assert "Traceback" not in about["text"]


def test_long_heads_are_refused(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=5) as connection:
        connection.sendall(b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n")
        assert connection.recv(20).split()[1] == b"414"


def test_slow_clients_are_cut_off_and_hold_nobody_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE", 1.0)
    slow = [socket.create_connection(("127.0.0.1", client.port), timeout=10) for _ in range(THREADS + 8)]
    for connection in slow:
        connection.sendall(b"POST /")  # and no more
    time.sleep(0.6)
    began = time.monotonic()
    assert client.ask("start")[0] == 200
    assert time.monotonic() - began < 8
    ended = 0
    for connection in slow:
        try:
            ended += connection.recv(100) is not None
        except OSError:
            ended += 1
        connection.close()
    assert ended == len(slow)


def test_a_client_that_drips_bytes_is_cut_off_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE", 0.5)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        ended = False
        for _ in range(100):
            try:
                connection.sendall(b"x")
            except OSError:
                ended = True
                break
            time.sleep(0.05)
    assert ended


def test_fifty_at_once_are_all_answered(client: Client) -> None:
    found: list[int] = []

    def ask() -> None:
        for _ in range(20):
            status, _, _ = client.ask("start")
            if status != 503:  # as the page does, which asks again
                break
            time.sleep(0.1)
        found.append(status)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 50


def test_other_methods_are_refused(client: Client) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "HEAD", "CONNECT"):
        assert client.raw(method, f"/{client.token}/start")[0] == 501
