// Draw: while the camera moves as many points as fit into a frame; at rest all of them, shown once they are complete.

import { camera, FOCAL, setProjection } from "./camera.js";
import { buffers, textures } from "./cloud.js";
import { bind, canvas, Frame, gl, program } from "./gl.js";
import { $, app, LAYERS, on, tell } from "./state.js";

const TARGET = 30;     // milliseconds of a frame
const REST = 180;      // milliseconds without a move after which all points are drawn
const MOST_SIZE = 60;  // pixels of the screen that a point takes at most
const LEAST = 20000;   // points drawn while the camera moves, however slow the machine
const LARGEST = 5;     // times their size, so that few points cover what all do: more would cost what it saves
const COARSEST = 1 / 3;  // of the pixels along each side, while the camera moves on a slow machine
let shown, hidden, programs = {}, budget = 400000, detail = 1, waiting = false;
let drawn = 0, moved = 0, refining = false, timer = 0;
export const speed = { frames: 0, milliseconds: 0 };

export async function startDrawing() {
  for (const name of ["cloud", "mark", "lighting"]) programs[name] = await program(name);
  [shown, hidden] = [new Frame(), new Frame()];
  addEventListener("resize", resize);
  on("moved", () => { moved = performance.now(); refining = false; soon(); });
  on("changed", () => { refining = true; drawn = 0; soon(); });
  resize();
}

export function resize() {
  if (app.scene) tell("moved");
}

// The pixels of a frame, at a share of those of the screen along each side.
function pixels(share) {
  const scale = Math.min(window.devicePixelRatio || 1, 2) * share;
  return [canvas.clientWidth, canvas.clientHeight].map(side => Math.max(1, Math.round(side * scale)));
}

function soon() {
  if (!waiting && app.scene && textures.nodes) { waiting = true; requestAnimationFrame(step); }
}

// Go on drawing all points after a while, unless that was done meanwhile.
function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => { if (refining) soon(); }, milliseconds);
}

function step() {
  waiting = false;
  if (!app.scene) return;
  const now = performance.now(), few = app.loaded > budget, resting = now - moved > REST;
  if (refining && (resting || !few)) return refine();
  setProjection();
  const count = Math.min(Math.floor(budget), app.loaded);
  hidden.begin(...pixels(few ? detail : 1));
  drawInto(hidden, 0, count, Math.min(Math.sqrt(app.loaded / Math.max(count, 1)), LARGEST));
  show(count);
  if (count > 300000 || few) adapt(performance.now() - now);
  if (few && !refining && app.loaded === app.scene.points) {  // while parts come in, drawing all would hold them up
    refining = true;
    drawn = 0;
    later(REST + 20);
  } else if (refining) later(REST);
}

// Draw the next points into the frame that is not seen, and show it when all are there.
function refine() {
  if (drawn === 0) {
    setProjection();
    hidden.begin(...pixels(1));
  }
  const began = performance.now(), count = Math.min(Math.max(Math.floor(budget), 200000), app.loaded - drawn);
  drawInto(hidden, drawn, count, 1);
  drawn += count;
  if (drawn < app.loaded) {
    if (count > 300000) adapt(performance.now() - began);
    waiting = true;
    requestAnimationFrame(step);
    return;
  }
  refining = false;
  drawn = 0;
  show(app.loaded);
}

// Draw more points a frame, or fewer, by the time that the last ones took; then fewer pixels.
function adapt(milliseconds) {
  const by = Math.min(Math.max(TARGET / milliseconds, 0.4), 1.4);
  if (by > 1 ? detail < 1 : budget <= LEAST) detail = Math.min(Math.max(detail * Math.sqrt(by), COARSEST), 1);
  else budget = Math.min(Math.max(budget * by, LEAST), 3e7);
}

function drawInto(frame, first, count, larger) {
  const began = performance.now();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame.frame);
  gl.viewport(0, 0, frame.width, frame.height);
  gl.enable(gl.DEPTH_TEST);
  const { linked, uniforms } = programs.cloud, { scene } = app;
  gl.useProgram(linked);
  [textures.nodes, textures.light, textures.palette, textures.ramp].forEach((each, i) => bind(i, each));
  ["nodes", "light", "palette", "ramp"].forEach((name, i) => gl.uniform1i(uniforms[name], i));
  gl.uniformMatrix4fv(uniforms.matrix, false, camera.matrix);
  gl.uniform3fv(uniforms.extent, scene.extent);
  setSection(uniforms);
  gl.uniform1f(uniforms.keep, app.keep);
  gl.uniform1f(uniforms.largest, MOST_SIZE * frame.height / pixels(1)[1]);
  gl.uniform1i(uniforms.layer, LAYERS.indexOf(app.layer));
  gl.uniform1f(uniforms.size, larger * app.pointSize * scene.spacing * FOCAL * frame.height / 2);
  gl.bindVertexArray(buffers.points);
  gl.drawArrays(gl.POINTS, first, count);
  if (first + count >= app.loaded || larger !== 1) drawMarks(frame);
  gl.readBuffer(gl.COLOR_ATTACHMENT0);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits, so that the time is the true one
  speed.frames++;
  speed.milliseconds += performance.now() - began;
}

// The heights and the box outside which nothing is drawn, with a rim for what rounding moves.
function setSection(uniforms) {
  const { angle, from, to } = app.box, rim = 1e-4 + 2e-5 * Math.max(...app.scene.extent);
  gl.uniform1f(uniforms.bottom, app.bottom - rim);
  gl.uniform1f(uniforms.top, app.top + rim);
  gl.uniform2f(uniforms.side, Math.cos(angle), Math.sin(angle));
  gl.uniform4f(uniforms.box, from[0] - rim, from[1] - rim, to[0] + rim, to[1] + rim);
}

function drawMarks(frame) {
  if (!buffers.markCount) return;
  const { linked, uniforms } = programs.mark;
  gl.useProgram(linked);
  bind(2, textures.palette);
  gl.uniform1i(uniforms.palette, 2);
  gl.uniformMatrix4fv(uniforms.matrix, false, camera.matrix);
  setSection(uniforms);
  gl.uniform1f(uniforms.near, camera.near);
  gl.uniform1f(uniforms.far, camera.far);
  gl.uniform1f(uniforms.pull, 4 * app.scene.spacing * app.pointSize);
  gl.uniform1f(uniforms.large, 15 * frame.height / canvas.clientHeight);
  gl.bindVertexArray(buffers.marks.array);
  gl.drawArrays(gl.POINTS, 0, buffers.markCount);
}

// Light the hidden frame onto the page; it is then the one that is seen, and asked about its points.
function show(count) {
  [shown, hidden] = [hidden, shown];
  if (canvas.width !== shown.width || canvas.height !== shown.height) {
    [canvas.width, canvas.height] = [shown.width, shown.height];  // the page stretches it
  }
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.viewport(0, 0, shown.width, shown.height);
  gl.disable(gl.DEPTH_TEST);
  const { linked, uniforms } = programs.lighting;
  gl.useProgram(linked);
  bind(0, shown.textures[0]);
  bind(1, shown.textures[2]);
  gl.uniform1i(uniforms.picture, 0);
  gl.uniform1i(uniforms.depths, 1);
  gl.uniform1f(uniforms.near, camera.near);
  gl.uniform1f(uniforms.far, camera.far);
  gl.uniform1f(uniforms.reach, shown.height / canvas.clientHeight);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  $("canvas").dataset.drawn = count;
  tell("shown");
}

// The points that are seen in a rectangle of the page: a list of {point, x, y}, each point at each of its pixels.
export function seenIn(left, top, width, height) {
  const scale = shown.height / canvas.clientHeight;
  const x = Math.max(0, Math.floor(left * scale)), w = Math.min(shown.width - x, Math.ceil(width * scale));
  const y = Math.max(0, Math.floor(shown.height - (top + height) * scale));
  const h = Math.min(shown.height - y, Math.ceil(height * scale)), found = [];
  if (w < 1 || h < 1) return found;
  shown.numbers(x, y, w, h).forEach((number, i) => {
    if (!number) return;
    const px = (x + i % w + 0.5) / scale, py = (shown.height - (y + Math.floor(i / w) + 0.5)) / scale;
    found.push({ point: number - 1, x: px, y: py });
  });
  return found;
}

// The point that is seen nearest to a spot of the page, within `reach` pixels; -1 for none.
export function pointAt(x, y, reach = 4) {
  let best = reach * reach, point = -1;
  for (const each of seenIn(x - reach, y - reach, 2 * reach + 1, 2 * reach + 1)) {
    const square = (each.x - x) ** 2 + (each.y - y) ** 2;
    if (square < best) { best = square; point = each.point; }
  }
  return point;
}
