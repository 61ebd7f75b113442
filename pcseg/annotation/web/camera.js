// The camera: it stands at the angles (turn, tilt) and the distance from what it looks at; z is up.

import { canvas } from "./gl.js";
import { app, tell } from "./state.js";

export const FOCAL = 1.9;  // in halves of the canvas height: 55 degrees from bottom to top
export const camera = { turn: -1, tilt: 1, distance: 10, target: [0, 0, 0], near: 0.01, far: 100, matrix: null };

const longest = () => Math.max(...app.scene.extent);

export function axes() {
  const [ct, st] = [Math.cos(camera.turn), Math.sin(camera.turn)];
  const [ce, se] = [Math.cos(camera.tilt), Math.sin(camera.tilt)];
  return { back: [ce * ct, ce * st, se], right: [-st, ct, 0], up: [-se * ct, -se * st, ce] };
}

// Look at the whole scan from above and the side.
export function startView() {
  const [from, to] = app.scene.core, size = to.map((v, i) => v - from[i]);
  const narrow = Math.min(1, canvas.clientWidth / canvas.clientHeight);
  camera.turn = -Math.PI / 3;
  camera.tilt = 1.0;
  camera.target = from.map((f, i) => f + size[i] * (i === 2 ? 0.35 : 0.5));
  camera.distance = Math.max(0.6 * Math.hypot(...size) * FOCAL / narrow, 0.01 * longest(), 1e-3);
  tell("moved");
}

export function topView() {
  const [from, to] = app.scene.core;
  startView();
  camera.turn = -Math.PI / 2;
  camera.tilt = Math.PI / 2;
  const width = (to[0] - from[0]) * canvas.clientHeight / canvas.clientWidth;
  camera.distance = Math.max(0.55 * Math.max(to[1] - from[1], width) * FOCAL + 0.5 * (to[2] - from[2]), 1e-3);
  tell("moved");
}

export function turnBy(dx, dy) {
  camera.turn -= dx * 0.006;
  camera.tilt = Math.min(Math.max(camera.tilt + dy * 0.006, -1.5), Math.PI / 2);
  tell("moved");
}

// Move sideways by pixels of the page.
export function moveBy(dx, dy) {
  const { right, up } = axes(), step = 2 * camera.distance / FOCAL / canvas.clientHeight;
  camera.target = camera.target.map((t, i) => t + step * (dy * up[i] - dx * right[i]));
  tell("moved");
}

export function zoomBy(factor) {
  camera.distance = Math.min(Math.max(camera.distance * factor, longest() / 5000 + 1e-3), longest() * 20 + 10);
  tell("moved");
}

// Fly: the eye turns where it is, or goes forward, sideways and up by shares of a step.
export function flyBy(forward, sideways, upward, turn, tilt) {
  const { back } = axes(), eye = camera.target.map((t, i) => t + camera.distance * back[i]);
  camera.turn -= turn;
  camera.tilt = Math.min(Math.max(camera.tilt - tilt, -1.5), Math.PI / 2);
  const now = axes(), step = Math.min(0.3, 0.03 * longest());
  camera.target = eye.map((e, i) => e - camera.distance * now.back[i]
    + step * (-forward * now.back[i] + sideways * now.right[i] + (i === 2 ? upward : 0)));
  tell("moved");
}

// Go to a place, without turning, as near as `near` meters or as now.
export function goTo(place, near = Infinity) {
  camera.target = [...place];
  camera.distance = Math.min(camera.distance, near);
  tell("moved");
}

export function setProjection() {
  const { back, right, up } = axes(), { target, distance } = camera;
  const eye = target.map((t, i) => t + distance * back[i]), { extent } = app.scene;
  const reach = Math.hypot(...extent) / 2 + Math.hypot(...target.map((t, i) => t - extent[i] / 2));
  const aspect = canvas.clientWidth / canvas.clientHeight;
  camera.far = distance + reach;
  camera.near = Math.max(distance - reach, camera.far / 3000);
  const a = (camera.far + camera.near) / (camera.near - camera.far);
  const b = 2 * camera.far * camera.near / (camera.near - camera.far);
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const scaled = (v, s) => [v[0] * s, v[1] * s, v[2] * s, -dot(v, eye) * s];
  const [x, y, z] = [scaled(right, FOCAL / aspect), scaled(up, FOCAL), scaled(back, 1)];
  camera.matrix = new Float32Array(16);
  for (let c = 0; c < 4; c++) camera.matrix.set([x[c], y[c], a * z[c] + (c === 3 ? b : 0), -z[c]], 4 * c);
}

// Where a place is on the page, in pixels of it, and how deep; null behind the eye.
export function project([x, y, z]) {
  const m = camera.matrix;
  if (!m) return null;
  const depth = m[3] * x + m[7] * y + m[11] * z + m[15];
  if (depth <= camera.near) return null;
  const px = ((m[0] * x + m[4] * y + m[8] * z + m[12]) / depth + 1) / 2 * canvas.clientWidth;
  const py = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / depth) / 2 * canvas.clientHeight;
  return { x: px, y: py, depth };
}
