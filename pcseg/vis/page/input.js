// Mouse, touch and keys; the tip about the point pointed at; and the start of the page.

const fingers = new Map();
let pressed = null;

function move(dx, dy) {
  const { right, up } = axes(), step = 2 * distance / FOCAL / innerHeight;
  target = target.map((t, i) => t + step * (dy * up[i] - dx * right[i]));
}

function zoom(factor) {
  distance = Math.min(Math.max(distance * factor, longest / 5000 + 1e-3), longest * 20 + 10);
}

canvas.onpointerdown = e => {
  canvas.setPointerCapture(e.pointerId);
  fingers.set(e.pointerId, e);
  pressed = fingers.size === 1 ? e : null;
  $("tip").style.display = "none";
};
canvas.onpointerup = canvas.onpointercancel = e => {
  fingers.delete(e.pointerId);
  const tapped = pressed && Math.hypot(e.clientX - pressed.clientX, e.clientY - pressed.clientY) < 6;
  if (tapped) showTip(e.clientX, e.clientY);
};
canvas.onpointerleave = () => { $("tip").style.display = "none"; };
canvas.onpointermove = e => {
  const last = fingers.get(e.pointerId);
  if (!last) {
    if (e.pointerType === "mouse") showTip(e.clientX, e.clientY);
    return;
  }
  const dx = e.clientX - last.clientX, dy = e.clientY - last.clientY;
  if (fingers.size === 2) {
    const other = [...fingers.values()].find(f => f.pointerId !== e.pointerId);
    const span = f => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY) + 1;
    zoom(span(last) / span(e));
    move(dx / 2, dy / 2);
  } else if (e.shiftKey || e.buttons & 6) {
    move(dx, dy);
  } else {
    turn -= dx * 0.006;
    tilt = Math.min(Math.max(tilt + dy * 0.006, -1.5), 1.56);
  }
  fingers.set(e.pointerId, e);
  redraw();
};
canvas.oncontextmenu = e => e.preventDefault();
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  zoom(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 120) * 0.0012));
  redraw();
}, { passive: false });
addEventListener("keydown", e => {
  const chosen = scene.layers[Number(e.key) - 1];
  if (chosen) showLayer(chosen);
  else if (e.key === "r" || e.key === "R") startView();
});

// The index of the nearest point drawn within 5 pixels of a spot of the page, -1 if there is none.
function pointAt(clientX, clientY) {
  const cut = cutHeight(), m = matrix, q = arrays.position;
  let found = -1, best = Infinity;
  for (let i = 0; i < N; i++) {
    const [x, y, z] = [0, 1, 2].map(c => low[c] + q[3 * i + c] / 65535 * extent[c]);
    if (z > cut || paint[4 * i + 3] === HIDDEN) continue;
    const depth = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (depth < near || depth >= best) continue;
    const px = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / depth + 1) / 2 * innerWidth;
    const py = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / depth) / 2 * innerHeight;
    if (Math.hypot(px - clientX, py - clientY) < 5) { best = depth; found = i; }
  }
  return found;
}

function tipLines(i) {
  const { position, fine, confidence, labels, spread, weight } = arrays;
  const nameOf = k => k === UNKNOWN ? "unknown" : classes[k].name;
  const lines = [];
  const title = scene.titles[scene.layers.indexOf("prediction")] || "";
  if (arrays.truth) lines.push("truth: " + nameOf(arrays.truth[i]));
  if (arrays.prediction) lines.push(title.toLowerCase() + ": " + nameOf(arrays.prediction[i]));
  if (confidence) lines.push("confidence: " + (confidence[i] / 255).toFixed(2));
  if (spread && spread[i] !== UNKNOWN) {
    lines.push("spread: " + nameOf(spread[i]) + ", weight " + (weight[i] / 255).toFixed(2));
  }
  if (labels && labels[i] !== UNKNOWN) lines.push("labeled: " + nameOf(labels[i]));
  for (let c = 0; c < 3; c++) {
    const step = position[3 * i + c] + (fine ? fine[3 * i + c] / 254 : 0);
    lines.push("xyz"[c] + ": " + (scene.origin[c] + step / 65535 * extent[c]).toFixed(scene.digits));
  }
  return [...lines, "point: " + rows[i]];
}

function showTip(clientX, clientY) {
  const tip = $("tip"), found = pointAt(clientX, clientY);
  tip.style.display = found < 0 ? "none" : "block";
  if (found < 0) return;
  tip.textContent = tipLines(found).join("\n");
  tip.style.left = Math.max(0, Math.min(clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.max(0, Math.min(clientY + 14, innerHeight - tip.offsetHeight - 8)) + "px";
}

scene.layers.forEach((name, i) => {
  const button = document.createElement("button");
  button.textContent = scene.titles[i];
  button.dataset.layer = name;
  button.title = "key " + (i + 1);
  button.onclick = () => showLayer(name);
  $("layers").append(button);
});
$("cut").max = extent[2];
$("cut").value = scene.cut;
$("size").oninput = $("cut").oninput = redraw;
addEventListener("resize", resize);
resize();
startView();
showLayer(layer);
