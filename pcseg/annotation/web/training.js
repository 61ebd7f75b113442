// Training and its progress, the network's view of the scan, and files to export.

import { setNodes } from "./cloud.js";
import { ask, send } from "./server.js";
import { $, app, make, on, say, tell } from "./state.js";

const EXPORTS = {
  csv: "Clicks (CSV)", labels: "Label file", spread: "Label file, spread", ply: "PLY", las: "LAS", laz: "LAZ",
};
const SAID = {
  start: "training runs beside your work; go on labeling", stop: "training is stopped",
  use: "the network looks at the scan",
};
let looked = "", running = false;

for (const [what, text] of Object.entries(EXPORTS)) {
  $("exports").append(make("button", { textContent: text, onclick: () => write(what) }));
}

async function write(what) {
  $("exported").textContent = "writing";
  try {
    const classification = $("classification").checked;
    const { about } = await send("export", { scene: app.scene.name, what, classification, keep: app.keep });
    $("exported").textContent = ["written to " + about.path, ...about.remarks].join(" · ");
  } catch (error) {
    $("exported").textContent = "";
    say(error.message, "bad");
  }
}

async function train(what) {
  try {
    say(what === "start" ? "preparing the labels" : "");
    const { about } = await send("train", { scene: app.scene.name, what });
    show(about.training);
    say(SAID[what]);
  } catch (error) {
    say(error.message, "bad");
  }
}

function show({ state, run, step, steps, loss, log, finished }) {
  running = state === "running";
  $("train").disabled = running;
  $("stop").hidden = !running;
  $("use").hidden = !finished || running;
  $("trained").hidden = !running;
  $("trained").value = steps ? step / steps : 0;
  $("log").hidden = !log?.length || state === "done";
  $("log").textContent = (log || []).join("\n");
  const told = { none: "", running: "run " + run + ": step " + step + " of " + steps, done: "run " + run + " is done",
    failed: "run " + run + " failed; its log says why", stopped: "run " + run + " was stopped" }[state];
  $("training").textContent = told + (running && Number.isFinite(loss) ? ", loss " + loss.toFixed(3) : "");
  document.body.dataset.training = state;
}

// Ask how things go; load what the network says when it has looked, and the result when training is done.
export async function look() {
  if (!app.scene) return;
  const before = running, { about } = await ask("ping", { scene: app.scene.name });
  show(about.training);
  if (before && about.training.state === "done") train("use");
  if (about.looked === looked) return;
  looked = about.looked;
  if (looked === "predicting") say("the network looks at the scan");
  if (looked.startsWith("failed")) say("network " + looked, "bad");
  if (looked.startsWith("predicted")) await loadViews();
}

export async function loadViews() {
  const { arrays } = await ask("views", { scene: app.scene.name });
  haveViews(arrays);
  say("the network's view is here: see prediction, doubt and differences");
}

// Take the network's view of the nodes, where there is one.
export function haveViews(arrays) {
  app.network = Boolean(arrays.prediction);
  $("review").disabled = !app.network;
  if (app.network) setNodes({ prediction: arrays.prediction, doubt: arrays.doubt });
  tell("chosen");
}

export function newScene() { looked = ""; }

$("train").onclick = () => train("start");
$("stop").onclick = () => train("stop");
$("use").onclick = () => train("use");
