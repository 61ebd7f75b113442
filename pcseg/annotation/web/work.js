// What the person does: each change goes to the server in order, and counts once the server says that it is on disk.

import { setMarks, setNodes } from "./cloud.js";
import { Refusal, send } from "./server.js";
import { $, app, NONE, say, tell } from "./state.js";

const IDLE = 90;     // seconds after which a person is taken to have gone
const MOST = 300;    // points of a stroke that are kept; the others follow by spreading
let last = performance.now(), queue = Promise.resolve(), open = 0, failed = false;

// Seconds of work since the last change; longer breaks do not count.
function secondsSince() {
  const seconds = (performance.now() - last) / 1000;
  last = performance.now();
  return seconds > IDLE ? 5 : seconds;
}

// Wait until all that was asked for is answered, well or not.
export function settled() { return queue.catch(() => {}); }

export function isSaving() { return open > 0; }

export function restartClock() { last = performance.now(); }

function showSaved() {
  $("saved").className = open ? "busy" : failed ? "bad" : "";
  $("saved").textContent = open ? "saving" : failed ? "NOT saved" : "saved";
}

// Have a change made; returns whether it was. Changes are made one after the other.
export function act(kind, details = {}) {
  const scene = app.scene.name, seconds = Math.round(100 * secondsSince()) / 100;
  const request = { scene, kind, seconds, id: crypto.randomUUID(), ...details };
  const began = performance.now();
  let saved = false;
  open++;
  showSaved();
  queue = settled().then(() => send("act", request)).then(({ about, arrays }) => {
    saved = true;
    failed = false;
    if (app.scene?.name !== scene) return true;
    if (arrays.label.length) setNodes(arrays);
    setMarks(arrays);
    app.state = about;
    if (about.elsewhere) say(about.elsewhere + " points in other tiles of this scan changed, too");
    tell("state");
    document.body.dataset.acts = Number(document.body.dataset.acts || 0) + 1;
    document.body.dataset.milliseconds = Math.round(performance.now() - began);
    return true;
  }).catch(error => {
    failed = !saved;
    if (saved) say("saved, but not shown; load the page again: " + error.message, "bad");
    else say(error.status === 409 ? error.message : "NOT SAVED: " + error.message, "bad");
    if (error.status === 409) tell("held", error.message);
    if (!(error instanceof Refusal)) throw error;
    return false;
  }).finally(() => { open--; showSaved(); });
  return queue;
}

// Give points a class; without one, or while erasing, take their labels away.
export function label(points, how, k = app.active) {
  const places = thinned(points);
  if (!places.length) return Promise.resolve(false);
  if (k < 0) { say("choose a class first: press its key, or click it in the list"); return Promise.resolve(false); }
  return act("label", { places, how, class: app.classes[k].name });
}

export function erase(points) {
  if (!points.length) { say("there is no label of yours here"); return Promise.resolve(false); }
  return act("erase", { places: points });
}

function thinned(points) {
  if (points.length <= MOST) return points;
  return Array.from({ length: MOST }, (_, i) => points[Math.floor(i * points.length / MOST)]);
}

export function undo() { if (app.state.undo) act("undo"); else say("there is nothing to undo"); }
export function redo() { if (app.state.redo) act("redo"); else say("there is nothing to redo"); }

// Choose a class by its place in the list: it labels the selected point, or is what clicks give from now on.
export async function choose(k) {
  if (k >= app.classes.length) return;
  const spot = app.selected;
  if (!spot) {
    app.active = app.active === k ? -1 : k;
    if (app.erase) toggleErase();
    tell("chosen");
    return;
  }
  const accepted = spot.suggested && spot.proposal === k;
  select(null);
  if (await label([spot.place], accepted ? "accept" : "click", k)) tell("answered", spot);
}

// Select a spot that the next class key labels; null for none.
export function select(spot) {
  app.selected = spot;
  if (spot && spot.proposal === undefined) spot.proposal = NONE;
  tell("selected");
}

export function toggleErase() {
  app.erase = !app.erase;
  if (app.erase) select(null);
  tell("chosen");
}
