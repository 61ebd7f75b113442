// Mouse, pen and fingers: they turn the scan, or label what they touch.

import { flyBy, moveBy, project, turnBy, zoomBy } from "./camera.js";
import { knownOf, marks, placeOf } from "./cloud.js";
import { pointAt, seenIn } from "./draw.js";
import { canvas } from "./gl.js";
import { cutTo, edges } from "./section.js";
import { $, app, colorOf, css, NONE, on, say, tell } from "./state.js";
import { erase, label, select } from "./work.js";

export const TOOLS = { click: "Click", brush: "Brush", lasso: "Lasso", box: "Box", piece: "Piece" };
const BRUSH = 14;  // pixels
const overlay = $("overlay"), pen = overlay.getContext("2d"), fingers = new Map();
let stroke = null, pressed = null, hover = null, tipping = 0;

const isStroke = () => app.cutting || ["brush", "lasso", "box"].includes(app.tool);

export function chooseTool(name) {
  app.tool = name;
  app.cutting = false;
  tell("chosen");
}

canvas.onpointerdown = e => {
  if (!app.scene) return;
  canvas.focus();
  canvas.setPointerCapture(e.pointerId);
  fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
  hideTip();
  pressed = fingers.size === 1 && e.button === 0 ? { x: e.clientX, y: e.clientY } : null;
  stroke = pressed && isStroke() && !e.shiftKey ? [pressed] : null;
};
canvas.onpointermove = e => {
  const last = fingers.get(e.pointerId), now = { x: e.clientX, y: e.clientY };
  hover = now;
  if (!last) return pointedAt(e);
  if (fingers.size === 2) pinch(e.pointerId, last, now);
  else if (stroke) { stroke.push(now); drawOverlay(); }
  else drag(e, now.x - last.x, now.y - last.y);
  fingers.set(e.pointerId, now);
};
canvas.onpointerup = canvas.onpointercancel = e => {
  fingers.delete(e.pointerId);
  const done = stroke, at = pressed;
  stroke = pressed = null;
  if (e.type === "pointercancel" || !at) { drawOverlay(); return; }
  const tapped = Math.hypot(e.clientX - at.x, e.clientY - at.y) < 5;
  if (done) finish(done);
  else if (tapped && !isStroke()) touch(at.x, at.y);
  drawOverlay();
};
canvas.onpointerleave = () => { hover = null; hideTip(); drawOverlay(); };
canvas.oncontextmenu = e => e.preventDefault();
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  if (app.scene) zoomBy(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 120) * 0.0012));
}, { passive: false });

function drag(e, dx, dy) {
  if (app.flying) flyBy(0, 0, 0, -dx * 0.004, -dy * 0.004);
  else if (e.shiftKey || e.buttons & 4 || (e.buttons & 2 && !isStroke())) moveBy(dx, dy);
  else turnBy(dx, dy);
}

function pinch(id, last, now) {
  stroke = pressed = null;
  const [, other] = [...fingers].find(([key]) => key !== id);
  const span = f => Math.hypot(f.x - other.x, f.y - other.y) + 1;
  zoomBy(span(last) / span(now));
  moveBy((now.x - last.x) / 2, (now.y - last.y) / 2);
}

// A click on a spot of the page.
function touch(x, y) {
  if (app.erase) {
    const near = seenIn(x - 9, y - 9, 19, 19).filter(each => marks.has(each.point));
    near.sort((a, b) => Math.hypot(a.x - x, a.y - y) - Math.hypot(b.x - x, b.y - y));
    erase(near.slice(0, 1).map(each => each.point));
    return;
  }
  const point = pointAt(x, y, 5);
  if (point < 0) { select(null); say("there is no point here"); return; }
  const spot = { place: point, at: placeOf(point) };
  select(app.active < 0 ? spot : null);
  if (app.active >= 0) {
    label([point], app.tool === "piece" ? "piece" : "click");
    select(null);
  }
}

// The points that a stroke touches, as they are seen.
function finish(path) {
  const xs = path.map(p => p.x), ys = path.map(p => p.y), reach = app.tool === "brush" ? BRUSH : 0;
  if (app.cutting) {
    const [x, y] = [Math.min(xs[0], xs.at(-1)), Math.min(ys[0], ys.at(-1))];
    cutTo(x, y, Math.max(xs[0], xs.at(-1)) - x, Math.max(ys[0], ys.at(-1)) - y);
    return;
  }
  const left = Math.min(...xs) - reach, top = Math.min(...ys) - reach;
  const width = Math.max(...xs) + reach - left, height = Math.max(...ys) + reach - top;
  const inside = {
    brush: p => path.some((q, i) => distance(p, q, path[Math.max(0, i - 1)]) <= BRUSH),
    lasso: p => within(p, path),
    box: p => Math.abs(p.x - (xs[0] + xs.at(-1)) / 2) <= Math.abs(xs[0] - xs.at(-1)) / 2
      && Math.abs(p.y - (ys[0] + ys.at(-1)) / 2) <= Math.abs(ys[0] - ys.at(-1)) / 2,
  }[app.tool];
  const points = [...new Set(seenIn(left, top, width, height).filter(inside).map(each => each.point))];
  if (app.erase) erase(points.filter(point => marks.has(point)));
  else if (points.length) label(points, app.tool);
}

function distance(p, a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y], square = dx * dx + dy * dy;
  const t = square ? Math.min(Math.max(((p.x - a.x) * dx + (p.y - a.y) * dy) / square, 0), 1) : 0;
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

function within(p, path) {
  let inside = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [a, b] = [path[i], path[j]];
    if (a.y > p.y !== b.y > p.y && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}

function hideTip() { $("tip").style.display = "none"; clearTimeout(tipping); }

function pointedAt(e) {
  hideTip();
  if (app.tool === "brush") drawOverlay();
  if (!app.scene || e.pointerType !== "mouse") return;
  tipping = setTimeout(() => showTip(e.clientX, e.clientY), 120);
}

const named = k => k === NONE ? "none" : app.classes[k].name;

function showTip(x, y) {
  const point = pointAt(x, y, 4), tip = $("tip");
  if (point < 0) return;
  const { label: k, confidence, prediction, doubt } = knownOf(point), lines = [];
  if (marks.has(point)) lines.push("your label: " + named(marks.get(point)));
  lines.push("spread: " + named(k) + (k === NONE ? "" : ", " + (confidence / 255).toFixed(2)));
  if (app.network) lines.push("network: " + named(prediction) + ", doubt " + (doubt / 255).toFixed(2));
  lines.push(placeOf(point).map((v, i) => "xyz"[i] + " " + (v + app.scene.origin[i]).toFixed(2)).join("  "));
  tip.textContent = lines.join("\n");
  tip.style.display = "block";
  tip.style.left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = Math.min(y + 14, innerHeight - tip.offsetHeight - 8) + "px";
}

// The ring around the selected point, the stroke that is being drawn, and the brush.
export function drawOverlay() {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale].map(Math.round);
  if (overlay.width !== width || overlay.height !== height) [overlay.width, overlay.height] = [width, height];
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const color = app.erase ? "#b3121d" : app.active < 0 ? "#22406e" : css(colorOf(app.active));
  const line = (width, style) => { pen.lineWidth = width; pen.strokeStyle = style; pen.stroke(); };
  const circle = (x, y, r) => { pen.beginPath(); pen.arc(x, y, r, 0, 7); };
  for (const [a, b] of edges()) {
    pen.beginPath();
    pen.moveTo(a.x, a.y);
    pen.lineTo(b.x, b.y);
    line(1, "#22406eb0");
  }
  const spot = app.selected && project(app.selected.at);
  if (spot) {
    for (const r of [10, 16]) { circle(spot.x, spot.y, r); line(5, "#fff"); line(2.5, r === 10 ? "#000" : "#d55e00"); }
  }
  if (stroke) {
    pen.beginPath();
    if (app.tool === "box" || app.cutting) {
      const [a, b] = [stroke[0], stroke.at(-1)];
      pen.rect(a.x, a.y, b.x - a.x, b.y - a.y);
    } else {
      stroke.forEach((p, i) => i ? pen.lineTo(p.x, p.y) : pen.moveTo(p.x, p.y));
    }
    pen.lineCap = pen.lineJoin = "round";
    if (app.tool === "brush" && !app.cutting) { pen.globalAlpha = 0.4; line(2 * BRUSH, color); pen.globalAlpha = 1; }
    else { line(4, "#fff"); line(2, color); }
  } else if (hover && app.tool === "brush" && !app.cutting) {
    circle(hover.x, hover.y, BRUSH);
    line(3, "#fff");
    line(1.5, color);
  }
}
on("chosen", () => canvas.classList.toggle("stroke", isStroke()));
on("shown", drawOverlay);
on("selected", drawOverlay);
