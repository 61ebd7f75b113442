"""All scans of a place: which are open by which page of the browser, their networks, training and files."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.annotation.export import write_clicks, write_label_file, write_scan, write_spread_file
from pcseg.annotation.session import Session
from pcseg.annotation.sources import Place, Source
from pcseg.annotation.summary import summaries
from pcseg.annotation.teacher import Teacher
from pcseg.annotation.training import Training
from pcseg.errors import InputError, cut

GONE = 90.0
"""Seconds without a word from a page after which another may take its scan over; those of hidden windows are rare."""

CLOSED = 600.0
"""Seconds without a word from any page after which a scan is closed, so that other processes may have it."""

MOST_OPEN = 8
"""Scans that may be open at a time."""

PLACE_NAMES = {
    "csv": "clicks.csv",
    "labels": "labels.npz",
    "spread": "spread.npz",
    "ply": ".ply",
    "las": ".las",
    "laz": ".laz",
}
"""The files that can be written, by what the page calls them."""


class HeldElsewhere(InputError):
    """A scan is open in another window."""


@dataclass
class Seat:
    """A session and the page that has it; ``heard``: when that page was last heard of."""

    session: Session
    page: str
    heard: float


class Desk:
    """The scans of ``place`` while ``author`` labels them, with ``training`` and the network at ``checkpoint``."""

    def __init__(
        self, place: Place, author: str, training: Training, checkpoint: Path | None = None, device: str = "auto"
    ) -> None:
        self.place, self.author, self.training = place, author, training
        self._seats: dict[str, Seat] = {}
        self._changing = threading.Lock()
        self._opening = {source.log: threading.Lock() for source in place.sources.values()}
        self._listed = place.listed
        self._looking = threading.Lock()
        self._device = device
        self._teacher = Teacher(checkpoint, device) if checkpoint else None
        self.looked: dict[str, str] = {}

    def scenes(self) -> list[dict[str, Any]]:
        """Return each scan with how many clicks, labels, notes and seconds it has."""
        return [row for source in self.place.sources.values() for row in summaries(source)]

    def open(self, name: str, page: str, force: bool) -> dict[str, Any]:
        """Open a scan for a page and close the one it had; raises HeldElsewhere where another page has it."""
        source = self._listed.get(name)
        if source is None:
            raise InputError(f"scene '{cut(name, 60)}': there is none of this name")
        with self._changing:
            for other, seat in list(self._seats.items()):
                if seat.page == page and other != name:
                    self._close(other)
            if name not in self._seats and len(self._seats) >= MOST_OPEN:
                stalest = min(self._seats, key=lambda n: self._seats[n].heard)
                if time.monotonic() - self._seats[stalest].heard < GONE:
                    raise InputError(f"{MOST_OPEN} scans are open; close a window first")
                self._close(stalest)
        with self._opening[source.log]:
            taken = self._taken(name, page, force)
            if taken is None:
                self._close_others(source, page, force)
            seat = taken or self._seated(source, page)
        if self._teacher is not None and seat.session.doubt is None:
            self.look(name)
        return seat.session.about()

    def _taken(self, name: str, page: str, force: bool) -> Seat | None:
        """Return the seat at a scan that is open, now of ``page``; None where it is not open."""
        with self._changing:
            seat = self._seats.get(name)
            if seat is None:
                return None
            if seat.page not in (page, "") and not force and time.monotonic() - seat.heard < GONE:
                raise HeldElsewhere(f"{name}: is open in another window")
            seat.page, seat.heard = page, time.monotonic()
            return seat

    def _close_others(self, source: Source, page: str, force: bool) -> None:
        """Close the other tiles of a scan, which share its log; raises HeldElsewhere where another page has one."""
        with self._changing:
            for name, seat in list(self._seats.items()):
                if seat.session.source.log == source.log:
                    if seat.page not in (page, "") and not force and time.monotonic() - seat.heard < GONE:
                        raise HeldElsewhere(f"{name}: is open in another window, and people share the clicks of a scan")
                    self._close(name)

    def _seated(self, source: Source, page: str) -> Seat:
        """Return the seat of a page at a scan that is opened for it."""
        seat = Seat(Session(source, self.author), page, time.monotonic())
        with self._changing:
            self._seats[source.title] = seat
        return seat

    def session(self, name: object, page: object) -> Session:
        """Return the session of a page; raises HeldElsewhere where the scan is open in another one, or in none."""
        with self._changing:
            seat = self._seats.get(str(name))
            if seat is None or seat.page != page:
                raise HeldElsewhere(f"{cut(str(name), 60)}: is {'open in another window' if seat else 'not open'}")
            seat.heard = time.monotonic()
            return seat.session

    def labels(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return label and confidence (P,) of the points of a scan that is open; raises InputError where it is not."""
        seat = self._seats.get(name)
        if seat is None:
            raise InputError(f"scene '{cut(name, 60)}': is not open; open it on the page")
        return seat.session.point_labels()

    def look(self, name: str) -> None:
        """Let the network look at an open scan, beside other work."""
        seat = self._seats.get(name)
        if seat is not None:
            self.looked[name] = "predicting"
            threading.Thread(target=self._look, args=(name, seat.session), daemon=True).start()

    def adopt(self, name: str) -> None:
        """Take the network of the newest finished run, and let it look at a scan."""
        run = self.training.finished
        if run is None:
            raise InputError("training: no run has finished yet")
        if self._teacher is None or self._teacher.checkpoint != run:
            self._teacher = Teacher(run, self._device)
        self.look(name)

    def export(self, session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
        """Write a file below the home of the place and return its path, with remarks."""
        what = str(request.get("what"))
        if what not in PLACE_NAMES:
            raise InputError(f"what: '{cut(what, 20)}' is not one of {', '.join(PLACE_NAMES)}")
        home = self.place.home / "exported"
        with self._changing:
            sessions = {name: seat.session for name, seat in self._seats.items()}
        if what in ("csv", "labels", "spread"):
            keep = request.get("keep", 0)
            if isinstance(keep, bool) or not isinstance(keep, (int, float)) or not 0 <= keep <= 1:
                raise InputError("keep: must be a number from 0 to 1")
            clicks = home / PLACE_NAMES["csv"]
            count = write_clicks(self.place, clicks)
            if what == "csv":
                return {"path": str(clicks), "remarks": [f"{count:,} labels of people"]}
            labels = write_label_file(self.place, clicks, home / PLACE_NAMES["labels"])
            if what == "spread":
                labels = write_spread_file(self.place, labels, home / PLACE_NAMES[what], keep, sessions)
            return {"path": str(home / PLACE_NAMES[what]), "remarks": labels.summary().splitlines()[:1]}
        path = home / f"{session.source.name}{PLACE_NAMES[what]}"
        remarks = write_scan(session, path, bool(request.get("classification")), sessions)
        return {"path": str(path), "remarks": remarks[:5]}

    def close(self) -> None:
        """Close all scans and end training."""
        with self._changing:
            for name in list(self._seats):
                self._close(name)
        self.training.stop()

    def leave(self, page: str) -> None:
        """Let others have the scan of a page that is going; it stays open for a while, should the page come back."""
        with self._changing:
            for seat in self._seats.values():
                if seat.page == page:
                    seat.page = ""

    def sweep(self) -> None:
        """Close the scans that no page has been heard of for long."""
        with self._changing:
            for name, seat in list(self._seats.items()):
                if time.monotonic() - seat.heard > CLOSED:
                    self._close(name)

    def _close(self, name: str) -> None:
        self._seats.pop(name).session.close()
        self.looked.pop(name, None)

    def _look(self, name: str, session: Session) -> None:
        with self._looking:
            try:
                assert self._teacher is not None
                self._teacher.look(session)
                self.looked[name] = f"predicted {time.monotonic()}"
            except (InputError, OSError, MemoryError, RuntimeError) as error:
                self.looked[name] = f"failed: {error}"
