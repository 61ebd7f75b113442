// The keyboard: all that can be done without a mouse, and the list of it.

import { flyBy, moveBy, startView, topView, turnBy, zoomBy } from "./camera.js";
import { clearBox, startBox } from "./section.js";
import { $, app, LAYERS, make, say, tell } from "./state.js";
import { chooseTool } from "./tools.js";
import { choose, redo, select, toggleErase, undo } from "./work.js";

export const CLASS_KEYS = "1234567890abcdefghijklmnopqrstuvwxyz";

const HELP = {
  "Label": [
    ["1 … 9 0 a b …", "label the selected point; without one: the class that clicks give"],
    ["click", "label the point, or select it while no class is chosen"],
    ["Space", "go to the point to label next"], ["Enter", "accept the class proposed there"],
    ["Delete", "erase instead of label, on and off"], ["Esc", "select nothing, choose no class"],
    ["Ctrl+Z, Ctrl+Y", "undo, redo"], ["Shift+N", "write a note"], ["Shift+R", "go to the next difference to review"],
  ],
  "Tools": [
    ["Shift+C", "click: one point"], ["Shift+B", "brush: points as you paint them"],
    ["Shift+L, Shift+X", "lasso, box: all points seen inside"], ["Shift+P", "piece: the whole piece of surface"],
  ],
  "View": [
    ["drag, arrows", "turn (right drag with brush, lasso, box)"], ["right or Shift+drag", "move (also Shift+arrows)"],
    ["wheel, + and −", "nearer, farther"], ["Home, Shift+T", "view from the start, from the top"],
    ["Shift+F", "fly: arrows go and turn, PgUp PgDn rise and sink, drag looks around"],
    ["Shift+S, Shift+A", "cut to a box: draw a rectangle around it; show all again"],
    ["Shift+H", "hide the ceiling, or show it"], ["PgUp, PgDn", "raise or lower the height down from which to draw"],
    ["[ and ]", "what is shown: color, height, label, …"],
    [", and .", "smaller or larger points"], ["?", "this list"],
  ],
};

for (const [title, rows] of Object.entries(HELP)) {
  const section = make("section", {}, make("h2", { textContent: title }));
  for (const [keys, text] of rows) {
    section.append(make("p", {}, make("span", {}, make("kbd", { textContent: keys })), make("span", {}, text)));
  }
  $("keylist").append(section);
}
$("help").onclick = () => $("keys").showModal();

export function showLayer(name) {
  app.layer = name;
  tell("chosen");
  tell("changed");
}

export function shownLayers() {
  const { colored, intensity } = app.scene || {};
  const there = { rgb: colored, intensity, prediction: app.network, doubt: app.network, differs: app.network };
  return LAYERS.filter(name => there[name] !== false);
}

function nextLayer(by) {
  const there = shownLayers();
  showLayer(there[(there.indexOf(app.layer) + by + there.length) % there.length]);
}

export function hideCeiling() {
  const whole = app.scene.extent[2];
  app.top = app.top < whole ? whole : app.scene.cut;
  tell("section");
}

export function toggleFly() {
  app.flying = !app.flying;
  $("canvas").classList.toggle("fly", app.flying);
  say(app.flying ? "flying: arrows go and turn, PgUp and PgDn rise and sink; Shift+F ends it" : "");
  tell("chosen");
}

function arrows(e) {
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key] || [0, 0];
  if (!x && !y) return false;
  if (app.flying && e.shiftKey) flyBy(0, x, -y, 0, 0);
  else if (app.flying) flyBy(-y, 0, 0, x * 0.06, 0);
  else if (e.shiftKey) moveBy(-40 * x, -40 * y);
  else turnBy(-20 * x, 20 * y);
  return true;
}

function raise(by) {
  if (app.flying) return flyBy(0, 0, by, 0, 0);
  app.top = Math.min(Math.max(app.top + 0.02 * by * app.scene.extent[2], app.bottom), app.scene.extent[2]);
  tell("section");
}

function resize(factor) {
  app.pointSize = Math.min(Math.max(app.pointSize * factor, 0.3), 4);
  tell("section");
}

const PLAIN = {
  " ": () => tell("next"), "Enter": () => tell("accept"), "Delete": toggleErase, "Backspace": toggleErase,
  "Escape": () => { app.active = -1; app.erase = app.cutting = false; select(null); tell("chosen"); },
  "?": () => $("keys").showModal(),
  "+": () => zoomBy(0.85), "=": () => zoomBy(0.85), "-": () => zoomBy(1.18), "Home": startView,
  "PageUp": () => raise(1), "PageDown": () => raise(-1), "[": () => nextLayer(-1), "]": () => nextLayer(1),
  ",": () => resize(0.85), ".": () => resize(1.18),
};
const SHIFTED = {
  C: () => chooseTool("click"), B: () => chooseTool("brush"), L: () => chooseTool("lasso"),
  X: () => chooseTool("box"), P: () => chooseTool("piece"), T: topView, F: toggleFly, H: hideCeiling,
  S: startBox, A: clearBox, N: () => tell("note"), R: () => tell("review"),
};

addEventListener("pointerup", e => { if (e.target.type === "range") e.target.blur(); });
addEventListener("keydown", e => {
  const typing = e.target.matches?.("textarea, select, input:not([type=range]):not([type=checkbox])");
  if (!app.scene || typing || document.querySelector("dialog[open]") || e.altKey) return;
  const control = e.ctrlKey || e.metaKey, key = e.key.toLowerCase();
  let done = true;
  if (e.target.type === "range" && e.key.startsWith("Arrow")) return;  // they move the slider that Tab has reached
  if (control && key === "z" && !e.shiftKey) undo();
  else if (control && (key === "y" || key === "z")) redo();
  else if (control) return;
  else if (arrows(e)) done = true;
  else if (PLAIN[e.key]) PLAIN[e.key]();
  else if (e.shiftKey && SHIFTED[e.key.toUpperCase()]) SHIFTED[e.key.toUpperCase()]();
  else if (!e.shiftKey && CLASS_KEYS.includes(key) && key.length === 1) choose(CLASS_KEYS.indexOf(key));
  else done = false;
  if (done) {
    e.preventDefault();
    if (e.target.matches?.("button, input")) e.target.blur();  // so that Space and Enter do not press it, too
  }
}, true);
