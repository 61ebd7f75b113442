// Where to label next, the proposal there, and the differences from the network to look at again.

import { goTo } from "./camera.js";
import { knownOf, marks } from "./cloud.js";
import { reveal } from "./section.js";
import { send } from "./server.js";
import { $, app, make, NONE, on, say } from "./state.js";
import { label, select } from "./work.js";

const visited = new Set();  // places that were suggested: of answers under way, too, the server may not know yet
let waiting = [], passed = [], asking = false, wanted = false, differences = [], at = -1;

export function forget() {
  waiting = [];
  passed = [];
  differences = [];
  wanted = false;
  visited.clear();
  $("reviews").replaceChildren();
  $("proposal").textContent = "";
}

// The class that is proposed for a point by what is known of it now.
function proposed(place) {
  const { prediction, label: k, ...bytes } = knownOf(place);
  const [doubt, confidence] = [bytes.doubt / 255, bytes.confidence / 255];
  if (prediction !== NONE && (k === NONE || 1 - doubt >= confidence)) {
    return { k: prediction, from: "network", sure: 1 - doubt };
  }
  return { k, from: "spread", sure: confidence };
}

// Go to a spot and select it, with the class that is proposed there.
function visit(spot, more = {}) {
  const { k, from, sure } = proposed(spot.place);
  reveal(spot.at);
  goTo(spot.at, Math.max(2, 0.35 * Math.max(...app.scene.extent)));
  select({ ...spot, proposal: k, ...more });
  $("accept").disabled = k === NONE;
  $("proposal").textContent = k === NONE ? "no proposal yet: press a class key"
    : "proposed: " + app.classes[k].name + " (" + from + ", " + sure.toFixed(2) + ")";
}

async function next() {
  if (app.selected?.suggested) passed.push(app.selected.place);
  const spot = waiting.shift();
  if (spot) {
    visited.add(spot.place);
    visit(spot, { suggested: true });
    if (waiting.length < 2) fetchMore();
  } else {
    wanted = true;
    $("proposal").textContent = "looking for the best place";
    fetchMore();
  }
}

// Have new suggestions made, by the labels there are now; those that wait give way to them.
async function fetchMore() {
  if (asking) return;
  asking = true;
  const scene = app.scene.name, before = app.state.clicks;
  let stale = false;
  try {
    const { about } = await send("suggest", { scene, skipped: passed });
    const fresh = about.spots.filter(({ place }) => !visited.has(place) && !marks.has(place));
    if (app.scene?.name === scene) waiting = fresh;
    stale = !waiting.length && app.state?.clicks !== before;
    if (!waiting.length && wanted && !stale) $("proposal").textContent = "nothing left to suggest";
  } catch (error) {
    say(error.message, "bad");
  } finally {
    asking = false;
  }
  if (wanted && stale) fetchMore();
  else if (wanted && waiting.length) { wanted = false; next(); }
}

async function accept() {
  const spot = app.selected;
  if (!spot || spot.proposal === NONE || spot.proposal === undefined) { say("there is no proposal to accept"); return; }
  select(null);
  if (await label([spot.place], "accept", spot.proposal)) answered(spot);
}

function answered(spot) {
  $("proposal").textContent = "";
  $("accept").disabled = true;
  if (!$("auto").checked) return;
  if (spot.suggested) next();
  else if (spot.reviewed) review();
}

async function review() {
  if (!differences.length || at >= differences.length - 1) {
    try {
      const { about } = await send("review", { scene: app.scene.name });
      [differences, at] = [about.spots, -1];
    } catch (error) {
      say(error.message);
      return;
    }
    $("reviews").replaceChildren(...differences.map((spot, i) => make("li", {
      textContent: app.classes[spot.label].name + (spot.whose === "person" ? " (yours)" : "") + ", network: "
        + app.classes[spot.prediction].name,
      onclick: () => { at = i; visit(spot, { reviewed: true }); },
    })));
  }
  if (!differences.length) { say("network and labels agree"); return; }
  at++;
  visit(differences[at], { reviewed: true });
}

$("next").onclick = next;
$("accept").onclick = accept;
$("review").onclick = review;
on("next", next);
on("accept", accept);
on("review", review);
on("answered", answered);
on("selected", () => { if (!app.selected) $("accept").disabled = true; });
