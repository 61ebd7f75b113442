// The data of the page, the colors of its layers, and the legend.

const $ = id => document.getElementById(id);
const TYPES = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, uint32: Uint32Array };
const scene = JSON.parse($("data").textContent), arrays = {};
for (const [name, text] of Object.entries(scene.data)) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  arrays[name] = new TYPES[scene.types[name]](bytes.buffer);
}
const N = scene.points, UNKNOWN = 255, { classes, extent } = scene;
const low = extent.map(e => -e / 2), longest = Math.max(...extent);
$("name").textContent = scene.name;
$("about").textContent = scene.about;
for (const note of scene.notes) $("notes").append(Object.assign(document.createElement("p"), { textContent: note }));
let row = 0;
const rows = Float64Array.from(arrays.rows, step => row += step);  // of each point in the file

const paint = new Uint8Array(4 * N);  // red, green, blue, and how to draw a point: one of the three below
const HIDDEN = 0, PLAIN = 128, LARGE = 255;
const ramps = { height: arrays.ramp, confidence: arrays.ramp, weight: arrays.ramp, intensity: arrays.gray };
const hiddenClasses = new Set();
let layer = scene.layers[0];

// The classes by which the points of the layer are hidden.
function classesOf(layer) {
  if (layer === "prediction") return arrays.prediction;
  return arrays.truth || arrays.prediction || { labeled: arrays.labels, spread: arrays.spread }[layer];
}

function colorOf(i) {
  const { color, errors, truth, prediction, labels, spread } = arrays;
  if (layer === "color") return color.subarray(3 * i, 3 * i + 3);
  if (layer === "errors") return [scene.right, scene.wrong, scene.unknown][errors[i]];
  if (ramps[layer]) return ramps[layer].subarray(3 * arrays[layer][i], 3 * arrays[layer][i] + 3);
  const k = { truth, prediction, labeled: labels, spread }[layer][i];
  if (k === UNKNOWN) return layer === "labeled" ? scene.right : scene.unknown;
  return classes[k].color;
}

function showLayer(name) {
  layer = name;
  const byClass = classesOf(layer);
  for (let i = 0; i < N; i++) {
    const large = layer === "labeled" && arrays.labels[i] !== UNKNOWN;
    paint.set(colorOf(i), 4 * i);
    paint[4 * i + 3] = byClass && hiddenClasses.has(byClass[i]) ? HIDDEN : large ? LARGE : PLAIN;
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, paintBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, paint, gl.DYNAMIC_DRAW);
  for (const button of $("layers").children) button.classList.toggle("on", button.dataset.layer === layer);
  showLegend(byClass);
  redraw();
}

function showLegend(byClass) {
  $("legend").replaceChildren();
  const addRow = (name, color) => {
    const div = document.createElement("div"), box = document.createElement("i");
    box.style.background = "rgb(" + color + ")";
    div.append(box, name);
    $("legend").append(div);
    return div;
  };
  if (ramps[layer]) {
    const [from, to] = scene.scales[layer];
    const digits = Math.min(Math.max(0, 2 - Math.floor(Math.log10(Math.max(to - from, 1e-9)))), 9);
    for (const v of [1, 0.75, 0.5, 0.25, 0]) {
      const at = 3 * Math.round(255 * v);
      addRow((from + v * (to - from)).toFixed(digits), ramps[layer].subarray(at, at + 3));
    }
  }
  const occurring = new Set(), hint = document.createElement("small");
  hint.textContent = "click a class to hide it";
  for (const values of [arrays.truth, arrays.prediction, arrays.labels, arrays.spread]) {
    if (values) for (const k of values) occurring.add(k);
  }
  const entries = classes.map(({ name, color }, k) => [name, color, k]);
  if (byClass && byClass.includes(UNKNOWN)) entries.push(["unknown", scene.unknown, UNKNOWN]);
  for (const [name, color, k] of entries) {
    if (!occurring.has(k)) continue;
    if (!hint.parentNode) $("legend").append(hint);
    const div = addRow(name, color);
    div.className = hiddenClasses.has(k) ? "class off" : "class";
    div.title = "click to hide or show";
    div.onclick = () => { if (!hiddenClasses.delete(k)) hiddenClasses.add(k); showLayer(layer); };
  }
  if (layer === "errors") { addRow("right", scene.right); addRow("wrong", scene.wrong); }
  $("legend").style.display = $("legend").children.length ? "" : "none";
}
