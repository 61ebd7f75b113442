// The panels: tools, what is shown, classes with their counts, history and notes.

import { goTo, startView, topView } from "./camera.js";
import { placeOf, setPalette } from "./cloud.js";
import { CLASS_KEYS, hideCeiling, showLayer, shownLayers, toggleFly } from "./keys.js";
import { reveal } from "./section.js";
import { $, app, colorOf, css, duration, LAYERS, make, on, say, tell } from "./state.js";
import { chooseTool, TOOLS } from "./tools.js";
import { act, choose, redo, toggleErase, undo } from "./work.js";

const TITLES = { rgb: "color", differs: "differences" };

for (const [name, text] of Object.entries(TOOLS)) {
  const key = { click: "C", brush: "B", lasso: "L", box: "X", piece: "P" }[name];
  const onclick = () => chooseTool(name);
  $("brushes").append(make("button", { id: "tool-" + name, textContent: text, title: "Shift+" + key, onclick }));
}
for (const name of LAYERS) {
  const onclick = () => showLayer(name);
  $("layers").append(make("button", { id: "layer-" + name, textContent: TITLES[name] || name, onclick }));
}
$("undo").onclick = undo;
$("redo").onclick = redo;
$("erase").onclick = toggleErase;
$("erase").classList.add("warn");
$("ceiling").onclick = hideCeiling;
$("above").onclick = topView;
$("home").onclick = startView;
$("fly").onclick = toggleFly;
$("note").onclick = () => tell("note");
$("safe").onchange = () => { app.safe = $("safe").checked; setPalette(); showClasses(); };
$("keep").oninput = () => { app.keep = Number($("keep").value); tell("section"); };
$("size").oninput = () => { app.pointSize = Number($("size").value); tell("section"); };
$("bottom").oninput = () => { app.bottom = Math.min(Number($("bottom").value), app.top); tell("section"); };
$("top").oninput = () => { app.top = Math.max(Number($("top").value), app.bottom); tell("section"); };

function showSection() {
  if (!app.scene) return;
  const values = [["keep", app.keep, app.keep.toFixed(2)], ["size", app.pointSize, "× " + app.pointSize.toFixed(1)],
    ["bottom", app.bottom, app.bottom.toFixed(2) + " m"], ["top", app.top, app.top.toFixed(2) + " m"]];
  for (const [id, value, text] of values) {
    if (id === "top" || id === "bottom") $(id).max = app.scene.extent[2];
    $(id).value = value;
    $(id).nextElementSibling.value = text;
  }
  $("ceiling").classList.toggle("on", app.top < app.scene.extent[2]);
  tell("changed");
}

function showChosen() {
  for (const name of Object.keys(TOOLS)) $("tool-" + name).classList.toggle("on", app.tool === name);
  const there = shownLayers();
  for (const name of LAYERS) {
    $("layer-" + name).hidden = !there.includes(name);
    $("layer-" + name).classList.toggle("on", app.layer === name);
  }
  $("erase").classList.toggle("on", app.erase);
  $("fly").classList.toggle("on", Boolean(app.flying));
  document.querySelectorAll(".class").forEach((row, k) => row.classList.toggle("on", k === app.active));
  showHint();
}

const DOES = {
  click: "click a point", brush: "paint", lasso: "draw around points", box: "draw a box", piece: "click a piece",
};

function hint() {
  const does = DOES[app.tool], { selected } = app;
  if (app.cutting) return "draw a rectangle around what you want to see alone · Esc to leave it";
  if (app.erase) return does + " to erase labels of yours · Delete ends it";
  if (selected) {
    const proposal = selected.proposal < 255 ? ", Enter for " + app.classes[selected.proposal].name : "";
    return "press a class key to label the marked point" + proposal;
  }
  if (app.active >= 0) return does + " to label it " + app.classes[app.active].name + " · Esc to choose none";
  return "press a class key, then " + does + " · or click a point, then press a class key · Space: where next";
}

const showHint = () => { $("hint").textContent = hint(); };

export function showClasses() {
  $("classes").replaceChildren(...app.classes.map((each, k) => {
    const box = make("i");
    box.style.background = css(colorOf(k));
    const row = make("div", { className: "class", title: each.name, role: "option", onclick: () => choose(k) },
      make("kbd", { textContent: CLASS_KEYS[k] || "" }), box, make("span", { textContent: each.name }), make("b"));
    return row;
  }));
  showState();
  showChosen();
}

function showState() {
  const { state } = app;
  if (!state) return;
  const all = state.spread.reduce((sum, n) => sum + n, 0) || 1;
  document.querySelectorAll(".class b").forEach((cell, k) => {
    cell.textContent = state.given[k] ? state.given[k].toLocaleString("en") : "–";
    cell.title = state.given[k] + " points by people; " + (100 * state.spread[k] / all).toFixed(1) + " % once spread";
  });
  const points = state.given.reduce((sum, n) => sum + n, 0);
  const each = state.clicks ? (state.seconds / state.clicks).toFixed(1) + " s each" : "";
  const figures = [state.clicks + " steps", points.toLocaleString("en") + " points", duration(state.seconds), each];
  $("figures").textContent = figures.filter(Boolean).join(" · ");
  $("undo").disabled = !state.undo;
  $("redo").disabled = !state.redo;
  $("history").replaceChildren(...[...state.steps].reverse().map(step => make("li", {
    textContent: (step.kind === "erase" ? "erased" : step.class + ", " + step.how) + " · " + step.points
      + (step.points === 1 ? " point" : " points") + " · " + step.at.slice(11, 16) + " " + step.by,
  })));
  $("notes").replaceChildren(...state.notes.map(note => make("li", {
    textContent: note.text, title: note.by + ", " + note.at,
    onclick: () => visit(note.place),
  })));
}

function visit(place) {
  if (place === null || place >= app.loaded) return;
  reveal(placeOf(place));
  goTo(placeOf(place), 0.2 * Math.max(...app.scene.extent) + 2);
}

// Ask for a text, or with no `text` for a yes; resolves to null where it is refused.
export function question(words, yes, text = null) {
  const dialog = $("ask");
  $("question").textContent = words;
  $("yes").textContent = yes;
  $("answer").hidden = text === null;
  $("answer").value = text || "";
  dialog.showModal();
  if (text !== null) $("answer").focus();
  return new Promise(done => {
    let answer = null;
    $("yes").onclick = () => { answer = $("answer").value; dialog.close(); };
    $("no").onclick = () => dialog.close();
    dialog.onclose = () => done(answer);
  });
}

on("note", async () => {
  const spot = app.selected;
  const text = await question(spot ? "A note on the marked point:" : "A note on this scan:", "Keep", "");
  const place = spot ? spot.place : null;
  if (text && text.trim() && await act("note", { text: text.trim(), place })) say("noted");
});
on("chosen", showChosen);
on("selected", showHint);
on("section", showSection);
on("state", showState);
