"""The script of the interactive page: reads the data, draws it with WebGL 2, answers mouse, touch and keys.

It follows SHADERS.
"""

SCRIPT = r"""const $ = id => document.getElementById(id);
const scene = JSON.parse($("data").textContent), arrays = {};
for (const [key, text] of Object.entries(scene.data)) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  arrays[key] = new { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, uint32: Uint32Array }[scene.types[key]](bytes.buffer);
}
const N = scene.shown, UNKNOWN = 255, { classes, extent } = scene, hidden = new Set();
const low = extent.map(e => -e / 2), longest = Math.max(...extent);
$("name").textContent = scene.name;
$("about").textContent = scene.about;
for (const note of scene.notes) $("notes").append(Object.assign(document.createElement("p"), { textContent: note }));
let row = 0;
const rows = Float64Array.from(arrays.rows, step => row += step);  // of each point in the file

// ---- colors of a layer: red, green, blue and how to draw (0 hidden, 128 plain, 255 large)
const labelsOf = layer => layer === "prediction" ? arrays.prediction : layer === "labeled" ? arrays.truth || arrays.prediction || arrays.labels
  : arrays.truth || arrays.prediction;
const paint = new Uint8Array(4 * N), ramps = { height: arrays.ramp, confidence: arrays.ramp, intensity: arrays.gray };
let layer = scene.layers[0];
function colors() {
  const shown = labelsOf(layer), { truth, prediction, labels, color, errors } = arrays, ramp = ramps[layer];
  for (let i = 0; i < N; i++) {
    let c, drawn = 128;
    if (layer === "color") c = [color[3 * i], color[3 * i + 1], color[3 * i + 2]];
    else if (layer === "errors") c = [scene.right, scene.wrong, scene.unknown][errors[i]];
    else if (ramp) { const v = arrays[layer][i]; c = ramp.subarray(3 * v, 3 * v + 3); }
    else if (layer === "labeled") { const k = labels[i]; c = k === UNKNOWN ? scene.right : classes[k].color; if (k !== UNKNOWN) drawn = 255; }
    else { const k = (layer === "truth" ? truth : prediction)[i]; c = k === UNKNOWN ? scene.unknown : classes[k].color; }
    paint.set(c, 4 * i);
    paint[4 * i + 3] = shown && hidden.has(shown[i]) ? 0 : drawn;
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, paintBuffer);
  gl.bufferData(gl.ARRAY_BUFFER, paint, gl.DYNAMIC_DRAW);
  document.querySelectorAll("#layers button").forEach(b => b.classList.toggle("on", b.dataset.layer === layer));
  legend(shown);
  redraw();
}
function legend(shown) {
  $("legend").replaceChildren();
  const row = (name, color) => {
    const div = document.createElement("div"), box = document.createElement("i");
    box.style.background = "rgb(" + color + ")";
    div.append(box, name);
    $("legend").append(div);
    return div;
  };
  if (ramps[layer]) {
    const [from, to] = scene.scales[layer], digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(to - from, 1e-9))));
    for (const v of [1, 0.75, 0.5, 0.25, 0]) row((from + v * (to - from)).toFixed(Math.min(digits, 9)), ramps[layer].subarray(3 * Math.round(255 * v), 3 * Math.round(255 * v) + 3));
  }
  const there = new Set(), hint = document.createElement("small");
  hint.textContent = "click a class to hide it";
  for (const values of [arrays.truth, arrays.prediction, arrays.labels]) if (values) for (const k of values) there.add(k);
  [...classes.map((c, k) => [c.name, c.color, k]), ["unknown", scene.unknown, UNKNOWN]].forEach(([name, color, k]) => {
    if (!there.has(k) || (k === UNKNOWN && !(shown && shown.includes(k)))) return;
    if (!hint.parentNode) $("legend").append(hint);
    const div = row(name, color);
    div.className = hidden.has(k) ? "class off" : "class";
    div.title = "click to hide or show";
    div.onclick = () => { hidden.has(k) ? hidden.delete(k) : hidden.add(k); colors(); };
  });
  if (layer === "errors") { row("right", scene.right); row("wrong", scene.wrong); }
  $("legend").style.display = $("legend").children.length ? "" : "none";
}

// ---- WebGL 2: points into a picture with depth, then eye-dome lighting over it
const canvas = $("canvas"), gl = canvas.getContext("webgl2", { antialias: false });
if (!gl) { $("about").textContent = "This browser has no WebGL 2; open the PNG instead."; throw new Error("no WebGL 2"); }
function program(vertex, fragment) {
  const made = gl.createProgram();
  [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]].forEach(([kind, text]) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, "#version 300 es\nprecision highp float;\n" + text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  });
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return new Proxy(made, { get: (_, name) => name === "it" ? made : gl.getUniformLocation(made, name) });
}
const points = program(...shaders.points), lighting = program(...shaders.lighting);
const attribute = (place, values, size, kind) => {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, size, kind, true, 0, 0);
  return buffer;
};
attribute(0, arrays.position, 3, gl.UNSIGNED_SHORT);
const paintBuffer = attribute(1, paint, 4, gl.UNSIGNED_BYTE);
attribute(2, arrays.light, 1, gl.UNSIGNED_BYTE);
const frame = gl.createFramebuffer(), textures = [gl.createTexture(), gl.createTexture()];
function resize() {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(innerWidth * scale)); canvas.height = Math.max(1, Math.round(innerHeight * scale));
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  [[gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT0], [gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.DEPTH_ATTACHMENT]].forEach(([inside, format, kind, place], i) => {
    gl.activeTexture(gl.TEXTURE0 + i);
    gl.bindTexture(gl.TEXTURE_2D, textures[i]);
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, canvas.width, canvas.height, 0, format, kind, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, place, gl.TEXTURE_2D, textures[i], 0);
  });
  redraw();
}

// ---- camera: stands at (turn, tilt) and distance from the target, z is up
let turn, tilt, distance, target, matrix, near, far, waiting = false;
const FOCAL = 1.9;  // of the half height: 55 degrees
function start() {
  const wide = Math.min(1, innerWidth / innerHeight);
  const [from, to] = scene.core, size = to.map((v, i) => v - from[i]);
  turn = -Math.PI / 3; tilt = 1.0; target = [0, 1, 2].map(i => low[i] + from[i] + size[i] * (i === 2 ? 0.35 : 0.5));
  distance = Math.max((wide < 1 ? 0.66 : 0.56) * Math.hypot(...size) * FOCAL / wide, 0.01 * longest, 1e-3);
  redraw();
}
function axes() {
  const [ct, st, ce, se] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  return { back: [ce * ct, ce * st, se], right: [-st, ct, 0], up: [-se * ct, -se * st, ce] };
}
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
function look() {
  const { back, right, up } = axes(), eye = target.map((t, i) => t + distance * back[i]);
  const aspect = canvas.width / canvas.height, reach = Math.hypot(...extent) + Math.hypot(...target);
  far = distance + reach; near = Math.max(distance - reach, far / 2000);
  const a = (far + near) / (near - far), b = 2 * far * near / (near - far);
  const row = (v, s) => [v[0] * s, v[1] * s, v[2] * s, -dot(v, eye) * s];
  const [x, y, z] = [row(right, FOCAL / aspect), row(up, FOCAL), row(back, 1)];
  matrix = new Float32Array(16);
  for (let c = 0; c < 4; c++) matrix.set([x[c], y[c], a * z[c] + (c === 3 ? b : 0), -z[c]], 4 * c);
}
function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }
function draw() {
  waiting = false;
  look();
  const scale = canvas.height / innerHeight, cut = low[2] + Number($("cut").value);
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.enable(gl.DEPTH_TEST);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.useProgram(points.it);
  gl.uniformMatrix4fv(points.matrix, false, matrix);
  gl.uniform3fv(points.low, low); gl.uniform3fv(points.extent, extent);
  gl.uniform1f(points.cut, cut + 1e-5 * longest);
  gl.uniform1f(points.near, near); gl.uniform1f(points.far, far); gl.uniform1f(points.pull, 2 * scene.spacing * Number($("size").value));
  gl.uniform1f(points.size, Number($("size").value) * scene.spacing * FOCAL * canvas.height / 2);
  gl.drawArrays(gl.POINTS, 0, N);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.disable(gl.DEPTH_TEST);
  gl.useProgram(lighting.it);
  gl.uniform1i(lighting.picture, 0); gl.uniform1i(lighting.depths, 1);
  gl.uniform1f(lighting.near, near); gl.uniform1f(lighting.far, far); gl.uniform1f(lighting.reach, scale);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  $("size").nextElementSibling.value = "× " + Number($("size").value).toFixed(1);
  $("cut").nextElementSibling.value = Number($("cut").value).toFixed(2) + " m";
  document.body.dataset.drawn = N;
}

// ---- mouse, touch, keys
const fingers = new Map();
let pressed = null;
const move = (dx, dy) => {
  const { right, up } = axes(), step = 2 * distance / FOCAL / innerHeight;
  target = target.map((t, i) => t + step * (dy * up[i] - dx * right[i]));
};
const zoom = by => { distance = Math.min(Math.max(distance * by, longest / 5000 + 1e-3), longest * 20 + 10); };
canvas.onpointerdown = e => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e); pressed = fingers.size === 1 ? e : null; $("tip").style.display = "none"; };
canvas.onpointerup = canvas.onpointercancel = e => {
  fingers.delete(e.pointerId);
  if (pressed && Math.hypot(e.clientX - pressed.clientX, e.clientY - pressed.clientY) < 6) point(e);  // a tap or click
};
canvas.onpointerleave = () => { $("tip").style.display = "none"; };
canvas.onpointermove = e => {
  const last = fingers.get(e.pointerId);
  if (!last) { if (e.pointerType === "mouse") point(e); return; }
  const dx = e.clientX - last.clientX, dy = e.clientY - last.clientY;
  if (fingers.size === 2) {
    const other = [...fingers.values()].find(f => f.pointerId !== e.pointerId);
    const span = f => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY) + 1;
    zoom(span(last) / span(e));
    move(dx / 2, dy / 2);
  } else if (e.shiftKey || e.buttons & 6) move(dx, dy);
  else { turn -= dx * 0.006; tilt = Math.min(Math.max(tilt + dy * 0.006, -1.5), 1.56); }
  fingers.set(e.pointerId, e);
  redraw();
};
canvas.oncontextmenu = e => e.preventDefault();
canvas.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 120) * 0.0012)); redraw(); }, { passive: false });
addEventListener("keydown", e => {
  const chosen = scene.layers[Number(e.key) - 1];
  if (chosen) { layer = chosen; colors(); } else if (e.key === "r" || e.key === "R") start();
});
function point(e) {
  const cut = low[2] + Number($("cut").value), m = matrix, q = arrays.position;
  let found = -1, best = Infinity;
  for (let i = 0; i < N; i++) {
    const [x, y, z] = [0, 1, 2].map(c => low[c] + q[3 * i + c] / 65535 * extent[c]);
    if (z > cut || !paint[4 * i + 3]) continue;
    const w = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (w < near || w >= best) continue;
    const px = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) / 2 * innerWidth, py = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) / 2 * innerHeight;
    if (Math.hypot(px - e.clientX, py - e.clientY) < 5) { best = w; found = i; }
  }
  const tip = $("tip"), name = k => k === UNKNOWN ? "unknown" : classes[k].name;
  tip.style.display = found < 0 ? "none" : "block";
  if (found < 0) return;
  const lines = ["truth", "prediction"].filter(k => arrays[k]).map(k => k + ": " + name(arrays[k][found]));
  if (arrays.confidence) lines.push("confidence: " + (arrays.confidence[found] / 255).toFixed(2));
  if (arrays.labels && arrays.labels[found] !== UNKNOWN) lines.push("labeled: " + name(arrays.labels[found]));
  const place = [0, 1, 2].map(c => {
    const step = arrays.position[3 * found + c] + (arrays.fine ? arrays.fine[3 * found + c] / 254 : 0);
    return "xyz"[c] + ": " + (scene.origin[c] + step / 65535 * extent[c]).toFixed(scene.digits);
  });
  lines.push(...place, "point: " + rows[found]);
  tip.textContent = lines.join("\n");
  tip.style.left = Math.max(0, Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.max(0, Math.min(e.clientY + 14, innerHeight - tip.offsetHeight - 8)) + "px";
}
scene.layers.forEach((name, i) => {
  const button = document.createElement("button");
  button.textContent = scene.titles[i];
  button.dataset.layer = name;
  button.title = "key " + (i + 1);
  button.onclick = () => { layer = name; colors(); };
  $("layers").append(button);
});
$("cut").max = extent[2]; $("cut").value = scene.cut;
$("size").oninput = $("cut").oninput = redraw;
addEventListener("resize", resize);
resize(); start(); colors();
"""
