"""What the page may ask and have done: each takes a request and returns what to tell, with arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pcseg.annotation.desk import Desk
from pcseg.annotation.palette import safe_colors
from pcseg.errors import InputError
from pcseg.vis.paint import ramp

Told = tuple[dict[str, Any], dict[str, np.ndarray]]
Answer = Callable[[Desk, Mapping[str, Any]], Told]

MOST_SKIPPED = 10_000
"""Points that may be passed over."""


def start(desk: Desk, request: Mapping[str, Any]) -> Told:
    """The classes with their colors, and the scans."""
    classes = desk.place.classes
    about = {
        "author": desk.author,
        "classes": [
            {"name": name, "color": list(color), "safe": list(safe)}
            for name, color, safe in zip(classes.names, classes.colors, safe_colors(len(classes)), strict=True)
        ],
        "scenes": desk.scenes(),
        "home": str(desk.place.home),
    }
    return about, {"ramp": ramp(np.arange(256) / 255).reshape(-1)}


def scenes(desk: Desk, request: Mapping[str, Any]) -> Told:
    """How far each scan is."""
    return {"scenes": desk.scenes()}, {}


def open_scene(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A scan opened for a page."""
    return desk.open(str(request.get("scene")), _page(request), request.get("force") is True), {}


def points(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A part of the points."""
    session = desk.session(request.get("scene"), request.get("page"))
    first, count = _whole(request, "from"), session.picture.about["chunk"]
    return {"from": first}, session.picture.part(first, count)


def nodes(desk: Desk, request: Mapping[str, Any]) -> Told:
    """The labels of all nodes, and the marks."""
    return {}, desk.session(request.get("scene"), request.get("page")).nodes()


def act(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A change, once it is on disk."""
    return desk.session(request.get("scene"), request.get("page")).act(request)


def suggest(desk: Desk, request: Mapping[str, Any]) -> Told:
    """The points to label next."""
    session = desk.session(request.get("scene"), request.get("page"))
    skipped = session.points_at(request.get("skipped", []))[-MOST_SKIPPED:]
    return {"spots": [session.spot(point) for point in session.advice.next_points(session.doubt, skipped)]}, {}


def review(desk: Desk, request: Mapping[str, Any]) -> Told:
    """The labels to look at again."""
    session = desk.session(request.get("scene"), request.get("page"))
    if session.doubt is None:
        raise InputError("review: needs a network; train one, or start with checkpoint=")
    found = session.advice.review(session.labels(), session.prediction, session.doubt)
    return {"spots": [session.spot(entry["point"]) | entry for entry in found]}, {}


def views(desk: Desk, request: Mapping[str, Any]) -> Told:
    """What a network makes of the scan."""
    return {}, desk.session(request.get("scene"), request.get("page")).views()


def ping(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A sign of life, and how training and prediction go."""
    scene = request.get("scene")
    if scene:
        desk.session(scene, request.get("page"))
    return {"training": desk.training.progress(), "looked": desk.looked.get(str(scene), "")}, {}


def train(desk: Desk, request: Mapping[str, Any]) -> Told:
    """Training begun, ended, or its network taken."""
    what = request.get("what")
    if what == "start":
        desk.training.start()
    elif what == "stop":
        desk.training.stop()
    elif what == "use":
        desk.session(request.get("scene"), request.get("page"))
        desk.adopt(str(request.get("scene")))
    else:
        raise InputError("what: must be start, stop or use")
    return {"training": desk.training.progress()}, {}


def export(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A file written."""
    return desk.export(desk.session(request.get("scene"), request.get("page")), request), {}


def leave(desk: Desk, request: Mapping[str, Any]) -> Told:
    """A page that goes."""
    desk.leave(_page(request))
    return {}, {}


ANSWERS: dict[str, Answer] = {
    "start": start, "scenes": scenes, "points": points, "nodes": nodes, "ping": ping, "views": views,
}  # fmt: skip
"""What can be asked without changing anything."""

SENT: dict[str, Answer] = {
    "open": open_scene, "act": act, "suggest": suggest, "review": review, "train": train, "export": export,
    "leave": leave,
}  # fmt: skip
"""What is done on request."""


def _page(request: Mapping[str, Any]) -> str:
    page = request.get("page")
    if not isinstance(page, str) or not 8 <= len(page) <= 64:
        raise InputError("page: must be a text of 8 to 64 letters that names the window")
    return page


def _whole(request: Mapping[str, Any], name: str) -> int:
    text = str(request.get(name, ""))
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{name}: must be a whole number")
    return int(text)
