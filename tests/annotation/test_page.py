"""The page in a real browser: it opens, a click spreads, undo takes it back, and names from files stay text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcseg.annotation.log import read_entries
from tests.annotation.browser import BROWSER, Browser
from tests.annotation.rooms import CLASSES, write_root
from tests.annotation.running import Running

ROOM = "train/room"
KNOWN = """import(new URL('page/cloud.js', location.href))
  .then(m => [...Array(600).keys()].filter(i => m.knownOf(i).label < 255).length)"""

SELECTED = "document.getElementById('hint').textContent.startsWith('press a class key to label')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("no Chromium here")
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(write_root(tmp_path, (ROOM, "train/hall"), count=600))
    yield found
    if found.process.poll() is None:
        found.stop()


def opened(browser: Browser, running: Running) -> None:
    browser.open("about:blank")
    browser.until("location.href == 'about:blank'")
    browser.errors.clear()
    browser.open(running.address + "#" + ROOM)
    browser.until(
        f"document.body?.dataset.open == {ROOM!r} && Number(document.getElementById('canvas').dataset.drawn) > 0"
    )


def seen(browser: Browser) -> tuple[float, float]:
    """Return a spot of the page where a point is seen."""
    script = """import(new URL('page/draw.js', location.href)).then(m => {
      for (let x = 500; x < 900; x += 7) if (m.pointAt(x, 420) >= 0) return [x, 420]; })"""
    x, y = browser.run(script)
    return x, y


def test_a_click_spreads_and_undo_takes_it_back(browser: Browser, running: Running, tmp_path: Path) -> None:
    opened(browser, running)
    log = tmp_path / "annotations" / f"{ROOM}.jsonl"
    assert browser.run(KNOWN) == 0
    browser.key("2")
    browser.click(*seen(browser))
    browser.until("document.body.dataset.acts == 1")
    assert browser.run(KNOWN) > 100, "the label has spread to the surface around the click"
    assert browser.run("document.querySelectorAll('.class b')[1].textContent") == "1"
    assert read_entries(log)[-1]["class"] == CLASSES[1]
    browser.key("z", modifiers=2)
    browser.until("document.body.dataset.acts == 2")
    assert browser.run(KNOWN) == 0
    browser.key("y", modifiers=2)
    browser.until("document.body.dataset.acts == 3")
    assert browser.run(KNOWN) > 100
    assert [entry["kind"] for entry in read_entries(log)] == ["scene", "label", "undo", "redo"]
    opened(browser, running)
    assert browser.run(KNOWN) > 100, "all is there again after loading the page anew"
    assert browser.errors == []


def test_after_an_answer_is_lost_the_next_clicks_are_saved(browser: Browser, running: Running, tmp_path: Path) -> None:
    opened(browser, running)
    browser.run("""{ const whole = window.fetch; let lost = false;
      window.fetch = async (path, options) => {
        const response = await whole(path, options);
        if (String(path) !== 'act' || lost) return response;
        lost = true;
        return { ok: true, arrayBuffer: () => Promise.reject(new TypeError('cut off')) };
      }; }""")
    browser.key("2")
    browser.click(*seen(browser))
    browser.until("document.getElementById('saved').textContent == 'NOT saved'")
    browser.click(*seen(browser))
    browser.until("document.body.dataset.acts == 1 && document.getElementById('saved').textContent == 'saved'")
    kinds = [entry["kind"] for entry in read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")]
    assert kinds == ["scene", "label", "label"]


def test_all_can_be_done_by_keys(browser: Browser, running: Running, tmp_path: Path) -> None:
    opened(browser, running)
    browser.key(" ")
    browser.until(SELECTED)
    for count in range(1, 10):
        browser.key("1")  # the class of every point, as far as this test is concerned
        browser.until(f"document.body.dataset.acts == {count}")
        browser.until(SELECTED)
        if browser.run("!document.getElementById('accept').disabled"):
            break
    browser.key("Enter")
    browser.until(f"document.body.dataset.acts == {count + 1}")
    kinds = [(e.get("how"), e.get("class")) for e in read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")[1:]]
    assert kinds == [("click", "floor")] * count + [("accept", "floor")]
    for key, modifiers in zip(
        ["ArrowLeft", "ArrowUp", "+", "T", "H", "]", "F", "ArrowUp"], (0, 8, 0, 8, 8, 0, 8, 0), strict=True
    ):
        browser.key(key, modifiers)
    browser.key("?", 8)
    assert browser.run("document.getElementById('keys').open")
    assert browser.errors == []


def test_strokes_label_what_is_seen_inside(browser: Browser, running: Running, tmp_path: Path) -> None:
    opened(browser, running)
    x, y = seen(browser)
    browser.key("1")
    for count, (tool, path) in enumerate(
        (
            ("B", [(x, y), (x + 30, y)]),
            ("L", [(x, y), (x + 60, y), (x + 60, y + 60), (x, y + 60)]),
            ("X", [(x, y), (x + 50, y - 50)]),
        ),
        1,
    ):
        browser.key(tool, 8)
        browser.drag(path)
        browser.until(f"document.body.dataset.acts == {count}")
    entries = read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")[1:]
    assert [entry["how"] for entry in entries] == ["brush", "lasso", "box"]
    assert min(len(entry["points"]) for entry in entries) >= 1
    browser.key("Delete")
    browser.drag([(x - 40, y - 80), (x + 100, y + 100)])
    browser.until("document.body.dataset.acts == 4")
    assert read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")[-1]["kind"] == "erase"


IN_THE_BOX = """Promise.all(['draw', 'cloud'].map(m => import(new URL(`page/${m}.js`, location.href))))
  .then(([draw, cloud]) => [...new Set(draw.seenIn(0, 0, innerWidth, innerHeight).map(each => each.point))]
    .map(point => cloud.placeOf(point)))"""


def places_seen(browser: Browser) -> list[list[float]]:
    """Return the places of the points that are seen on the page now, in meters."""
    browser.run("new Promise(done => setTimeout(done, 300))")  # after which all points are drawn
    for _ in range(3):
        browser.run("new Promise(requestAnimationFrame)")
    found: list[list[float]] = browser.run(IN_THE_BOX)
    return found


@pytest.mark.parametrize("turned", [False, True])
def test_a_scan_is_cut_to_a_box_outside_which_nothing_is_seen_or_hit(
    browser: Browser, running: Running, tmp_path: Path, turned: bool
) -> None:
    opened(browser, running)
    browser.key("T", 8)
    if turned:
        browser.key("ArrowLeft")
    browser.key("H", 8)
    before = places_seen(browser)
    browser.key("S", 8)
    browser.drag([(640, 330), (700, 360), (760, 430)])
    browser.until("!document.getElementById('unbox').disabled")
    inside = places_seen(browser)
    assert 2 <= len(inside) < len(before) / 2
    browser.key("1")
    browser.key("L", 8)
    browser.drag([(300, 80), (1120, 80), (1120, 700), (300, 700)])
    browser.until("document.body.dataset.acts == 1")
    labeled = read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")[-1]["points"]
    assert len(labeled) == len(inside), "a stroke over the whole page labels what is in the box, and no more"
    browser.run("document.getElementById('left-side').value = document.getElementById('right-side').value")
    browser.run("document.getElementById('left-side').oninput()")
    assert len(places_seen(browser)) < len(inside), "a slider moves a side"
    browser.key("A", 8)
    browser.key("z", modifiers=2)
    browser.until("document.body.dataset.acts == 2")
    assert len(places_seen(browser)) == len(before)
    assert browser.run("document.getElementById('unbox').disabled")
    assert browser.errors == []


def test_going_to_a_point_outside_the_box_shows_it(browser: Browser, running: Running) -> None:
    opened(browser, running)
    browser.key("T", 8)
    browser.key("S", 8)
    assert browser.run("document.getElementById('hint').textContent").startswith("draw a rectangle")
    browser.key("Escape")
    assert not browser.run("document.getElementById('hint').textContent").startswith("draw a rectangle")
    browser.key("S", 8)
    browser.drag([(690, 390), (700, 400), (715, 415)])
    browser.until("!document.getElementById('unbox').disabled")
    for _ in range(4):
        browser.key(" ")
        browser.until(SELECTED)
        browser.run("new Promise(done => setTimeout(done, 300))")
        if browser.run("document.getElementById('unbox').disabled"):
            break
    assert browser.run("document.getElementById('unbox').disabled"), "suggestions lie apart from each other"
    at = browser.run("import(new URL('page/state.js', location.href)).then(m => m.app.selected.at)")
    seen_now = places_seen(browser)
    assert min(max(abs(a - b) for a, b in zip(at, place, strict=True)) for place in seen_now) < 0.01
    assert browser.errors == []


def test_names_stay_text(browser: Browser, running: Running) -> None:
    opened(browser, running)
    browser.run("window.alert = () => { document.body.dataset.alerted = 1; }")
    assert browser.run("document.querySelectorAll('.class span')[2].textContent") == CLASSES[2]
    browser.key("3")
    browser.click(*seen(browser))
    browser.until("document.body.dataset.acts == 1")
    browser.key("N", 8)
    browser.until("document.getElementById('ask').open")
    browser.run("document.getElementById('answer').value = '<img src=x onerror=alert(2)>'")
    browser.run("document.getElementById('yes').click()")
    browser.until("document.body.dataset.acts == 2")
    assert browser.run("document.querySelector('#notes li').textContent") == "<img src=x onerror=alert(2)>"
    assert browser.run("document.querySelectorAll('script:not([src]), img').length") == 0
    assert not browser.run("document.body.dataset.alerted")
    assert browser.errors == []


def test_a_killed_server_loses_nothing_that_the_page_showed_as_saved(
    browser: Browser, running: Running, tmp_path: Path
) -> None:
    opened(browser, running)
    x, y = seen(browser)
    browser.key("1")
    for count in range(1, 4):
        browser.click(x, y)
        browser.until(f"document.body.dataset.acts == {count}")
    running.kill()
    browser.click(x, y)
    browser.until("document.getElementById('message').textContent.startsWith('NOT SAVED')")
    assert browser.until("document.getElementById('saved').className == 'bad'")
    again = Running(tmp_path)
    opened(browser, again)
    shown = browser.run("document.getElementById('figures').textContent")
    again.stop()
    assert shown.startswith("3 steps")
    assert len(read_entries(tmp_path / "annotations" / f"{ROOM}.jsonl")) == 4
