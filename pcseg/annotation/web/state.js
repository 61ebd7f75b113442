// What all parts of the page share, and the words and calls that change it.

export const $ = id => document.getElementById(id);
export const NONE = 255;
export const LAYERS = ["rgb", "intensity", "height", "label", "confidence", "prediction", "doubt", "differs"];

export const app = {
  classes: [],        // {name, color, safe, key}
  scenes: [],         // as the server lists them
  scene: null,        // what the server says of the open scan
  state: null,        // what has been done in it
  loaded: 0,          // points that are here
  layer: "label",
  keep: 0.2,          // smallest confidence of a label that is drawn
  bottom: 0, top: 1,  // heights between which points are drawn, in meters above the lowest
  box: null,          // sides between which points are drawn: {angle, from: [left, front], to: [right, back]}
  before: null,       // heights before the scan was cut to a box; null while it is not
  cutting: false,     // whether a rectangle is drawn to cut the scan to
  pointSize: 1,
  safe: true,         // colors for all eyes, else those of the data set
  tool: "click",
  erase: false,
  active: -1,         // the class that clicks give, -1 for none
  selected: null,     // the spot that a class key labels: {place, at, ...}
  network: false,     // whether prediction and doubt are here
};

const listeners = new Map();

// Call `listener` whenever `event` is told.
export function on(event, listener) {
  listeners.set(event, [...listeners.get(event) || [], listener]);
}

export function tell(event, ...details) {
  for (const listener of listeners.get(event) || []) listener(...details);
}

// An element of `tag` with properties, and children or texts in it; texts stay texts, whatever they hold.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function colorOf(k) {
  const { color, safe } = app.classes[k];
  return app.safe ? safe : color;
}

export const css = color => "rgb(" + color.join(",") + ")";

let fading = 0;

// Say something at the bottom of the page; `kind` "bad" stays until something else is said.
export function say(text, kind = "") {
  $("message").textContent = text;
  $("message").className = kind;
  clearTimeout(fading);
  if (kind !== "bad" && text) fading = setTimeout(() => say(""), 6000);
}

export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? minutes + " min " + Math.round(seconds % 60) + " s"
    : Math.floor(minutes / 60) + " h " + minutes % 60 + " min";
}
