// The start of the page: it opens a scan, loads its points part by part, and keeps in touch with the server.

import { forget } from "./advice.js";
import { startView } from "./camera.js";
import { addPart, drawMarks, makeRoom, setMarks, setNodes, setPalette, setRamp } from "./cloud.js";
import { startDrawing } from "./draw.js";
import { gl } from "./gl.js";
import { question, showClasses } from "./panel.js";
import { wholeSection } from "./section.js";
import { ask, goodbye, page, Refusal, send } from "./server.js";
import { $, app, duration, make, on, say, tell } from "./state.js";
import { haveViews, look, newScene } from "./training.js";
import { isSaving, restartClock, select, settled } from "./work.js";

const PATIENCE = 5000;  // milliseconds between questions how things go
let opening = 0;

function wait(text) {
  document.body.classList.toggle("closed", Boolean(text));
  $("wait").hidden = !text;
  $("wait").textContent = text;
}

function showScenes() {
  const chosen = app.scene?.name;
  $("scene").replaceChildren(...app.scenes.map(({ name, clicks, fault }) => {
    const more = fault ? " (damaged)" : clicks ? " · " + clicks + " steps" : "";
    return make("option", { value: name, selected: name === chosen, textContent: name + more });
  }));
}

// Open a scan; where it is open elsewhere, ask before taking it over.
async function open(name, force = false) {
  const turn = ++opening;
  await settled();  // the server refuses what comes after another scan is opened
  if (turn !== opening) return;
  app.scene = null;
  wait("opening " + name + ": finding out which points belong together");
  let found;
  try {
    found = await send("open", { scene: name, force });
  } catch (error) {
    wait("");
    if (!(error instanceof Refusal)) throw error;
    if (error.status !== 409) { wait(error.message); return; }
    const words = error.message + ". Take it over? Nothing is lost: all clicks there are saved.";
    if (await question(words, "Take it over") !== null) open(name, true);
    else wait("choose a scan");
    return;
  }
  if (turn !== opening) return;
  app.scene = app.state = found.about;
  app.network = false;
  wholeSection();
  document.title = name;
  forget();
  newScene();
  select(null);
  makeRoom(app.scene);
  const { arrays } = await ask("nodes", { scene: name });
  if (turn !== opening) return;
  setNodes(arrays);
  setMarks(arrays);
  haveViews(arrays);
  startView();
  tell("section");
  tell("state");
  await load(name, turn);
  if (turn !== opening) return;
  showScenes();
  showAbout();
  showClasses();
  restartClock();
  document.body.dataset.open = name;
}

async function load(name, turn) {
  const { points, chunk } = app.scene;
  const fetchPart = from => ask("points", { scene: name, from });
  let coming = fetchPart(0);
  for (let from = 0; from < points; from += chunk) {
    const { arrays } = await coming;
    if (turn !== opening) return;
    if (from + chunk < points) coming = fetchPart(from + chunk);
    addPart(from, arrays);
    drawMarks();
    wait("");
    $("about").textContent = app.loaded.toLocaleString("en") + " of " + points.toLocaleString("en") + " points loaded";
    tell("moved");
  }
}

function showAbout() {
  const { points, voxel_size, seconds } = app.scene;
  const merged = voxel_size ? ", labels in steps of " + (100 * voxel_size).toFixed(1) + " cm" : "";
  const spent = seconds ? " · " + duration(seconds) + " so far" : "";
  $("about").textContent = points.toLocaleString("en") + " points" + merged + spent;
}

async function keepInTouch() {
  try {
    await look();
    if (document.body.dataset.lost) { delete document.body.dataset.lost; say("the server answers again"); }
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) tell("held", error.message);
    else if (error instanceof Refusal) { document.body.dataset.lost = "1"; say(error.message, "bad"); }
  }
  setTimeout(keepInTouch, PATIENCE);
}

on("held", async message => {
  if (!app.scene || $("ask").open) return;
  const { name } = app.scene;
  if (await question(message + ". Work on it here?", "Work here") !== null) open(name, true);
});

addEventListener("pagehide", goodbye);
addEventListener("beforeunload", event => { if (isSaving()) event.preventDefault(); });
addEventListener("error", e => say("a fault of the page: " + e.message, "bad"));
addEventListener("unhandledrejection", e => say("a fault of the page: " + (e.reason?.message || e.reason), "bad"));
$("scene").onchange = () => { $("scene").blur(); open($("scene").value); };

async function begin() {
  if (!gl) { wait("this browser has no WebGL 2; try another one"); return; }
  const { about, arrays } = await ask("start");
  app.classes = about.classes;
  app.scenes = about.scenes;
  document.body.dataset.page = page;
  setPalette();
  setRamp(arrays.ramp);
  showClasses();
  await startDrawing();
  showScenes();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const first = app.scenes.find(each => each.name === wanted) || app.scenes.find(each => !each.clicks) || app.scenes[0];
  keepInTouch();
  await open(first.name);
}

begin().catch(error => wait(error.message));
