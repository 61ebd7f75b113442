"""Drive a headless Chromium over its debugging pipe, without any package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
    "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One page of a browser with its own profile in ``folder``; ``errors`` are what its console complained of."""

    def __init__(self, folder: Path, size: tuple[int, int] = (1366, 768)) -> None:
        self._folder = folder
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()

        def pipes() -> None:
            os.dup2(read_end, 3)
            os.dup2(write_end, 4)

        for end in (read_end, write_end):
            os.set_inheritable(end, True)
        command = [str(BROWSER), *FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder / 'profile'}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"], preexec_fn=pipes, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_end)
        os.close(write_end)
        self._raw, self._number, self.errors = b"", 0, list[str]()
        self._session = ""
        pages = self._pages()
        self._session = self.call("Target.attachToTarget", targetId=pages[0], flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )

    def call(self, method: str, limit: float = 180.0, **parameters: Any) -> Any:
        """Return the result of a command of the debugging protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + limit
        while True:
            answer = self._next(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._heard(answer)

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """Return the value of a script in the page, awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", "a fault"))
        return found["result"].get("value")

    def until(self, condition: str, limit: float = 180.0) -> Any:
        """Return the value of a script once it is true."""
        end = time.monotonic() + limit
        while True:
            if value := self.run(condition):
                return value
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{condition} has not come true; the page says {self.run('document.body.innerText')}"
                )
            time.sleep(0.05)

    def click(self, x: float, y: float) -> None:
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def drag(self, path: list[tuple[float, float]], button: str = "left") -> None:
        buttons = {"left": 1, "right": 2}[button]
        self.call(
            "Input.dispatchMouseEvent", type="mousePressed", x=path[0][0], y=path[0][1], button=button, buttons=buttons
        )
        for x, y in path[1:]:
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button=button, buttons=buttons)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=path[-1][0], y=path[-1][1], button=button)

    def key(self, key: str, modifiers: int = 0) -> None:
        """Press a key; ``modifiers``: 2 for Control, 8 for Shift."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._folder / "profile", ignore_errors=True)

    def _pages(self) -> list[str]:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            found = self.call("Target.getTargets")["targetInfos"]
            if pages := [target["targetId"] for target in found if target["type"] == "page"]:
                return pages
            time.sleep(0.1)
        raise TimeoutError("the browser shows no page")

    def _heard(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(event["params"]["exceptionDetails"])[:400])
        if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.errors.append(event["params"]["entry"]["text"][:400])

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._raw:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            more = os.read(self._read, 1 << 20) if ready else b""
            if not more:
                raise TimeoutError("the browser does not answer")
            self._raw += more
        line, _, self._raw = self._raw.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer
