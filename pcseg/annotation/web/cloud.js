// The points on the graphics card, what is known of their nodes, and the marks of labeled points.

import { bind, gl, texture, WIDTH } from "./gl.js";
import { app, colorOf, NONE, tell } from "./state.js";

export const textures = { nodes: null, light: null, palette: null, ramp: null };
export const marks = new Map();  // class of each point that a person labeled, by its place in the picture
const strokes = new Set();       // places of those labeled together with others, drawn smaller
export const buffers = { points: null, marks: null, markCount: 0 };

let positions = null, known = null, nodeOf = null, parts = [];

// Make room for a scan of `points` points and `nodes` nodes.
export function makeRoom({ points, nodes }) {
  for (const each of parts) gl.deleteBuffer(each);
  parts = [];
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  const sizes = [[0, 3, gl.UNSIGNED_SHORT, 6], [1, 4, gl.UNSIGNED_BYTE, 4], [2, 1, gl.UNSIGNED_INT, 4]];
  for (const [location, size, type, bytes] of sizes) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, points * bytes, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    if (type === gl.UNSIGNED_INT) gl.vertexAttribIPointer(location, size, type, 0, 0);
    else gl.vertexAttribPointer(location, size, type, true, 0, 0);
    parts.push(buffer);
  }
  buffers.points = array;
  positions = new Uint16Array(3 * points);
  nodeOf = new Uint32Array(points);
  known = new Uint8Array(4 * WIDTH * Math.ceil(nodes / WIDTH)).fill(NONE);
  app.loaded = 0;
  marks.clear();
  strokes.clear();
  drawMarks();
}

// Take a part of the points, from place `from` on.
export function addPart(from, { position, paint, node }) {
  gl.bindVertexArray(buffers.points);
  [[position, 6], [paint, 4], [node, 4]].forEach(([values, bytes], i) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, parts[i]);
    gl.bufferSubData(gl.ARRAY_BUFFER, from * bytes, values);
  });
  positions.set(position, 3 * from);
  nodeOf.set(node, from);
  app.loaded = from + node.length;
}

// The place in meters of a point, above the lowest corner.
export function placeOf(point) {
  return [0, 1, 2].map(c => positions[3 * point + c] / 65535 * app.scene.extent[c]);
}

// What is known of a point: label, confidence, prediction, doubt, as bytes.
export function knownOf(point) {
  const at = 4 * nodeOf[point];
  return { label: known[at], confidence: known[at + 1], prediction: known[at + 2], doubt: known[at + 3] };
}

// Take new values of nodes, of all or of those `changed`; where they are all, from the first on.
export function setNodes({ changed, label, confidence, prediction, doubt, light }) {
  [label, confidence, prediction, doubt].forEach((values, channel) => {
    if (!values) return;
    const which = channel < 2 ? changed : null;
    for (let i = 0; i < values.length; i++) known[4 * (which ? which[i] : i) + channel] = values[i];
  });
  const height = known.length / 4 / WIDTH;
  bind(0, textures.nodes ||= texture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8UI, WIDTH, height, 0, gl.RGBA_INTEGER, gl.UNSIGNED_BYTE, known);
  if (light) {
    const padded = new Uint8Array(WIDTH * height);
    padded.set(light);
    bind(0, textures.light ||= texture());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, WIDTH, height, 0, gl.RED, gl.UNSIGNED_BYTE, padded);
  }
  tell("changed");
}

export function setMarks({ marks: places, classes, small }) {
  places.forEach((place, i) => {
    if (classes[i] === NONE) marks.delete(place);
    else marks.set(place, classes[i]);
    if (small[i]) strokes.add(place);
    else strokes.delete(place);
  });
  drawMarks();
}

export function drawMarks() {
  const places = new Float32Array(3 * marks.size), about = new Uint32Array(3 * marks.size);
  let i = 0;
  for (const [point, k] of marks) {
    places.set(placeOf(point), 3 * i);
    about.set([point, k, strokes.has(point)], 3 * i++);
  }
  if (!buffers.marks) {
    buffers.marks = { array: gl.createVertexArray(), place: gl.createBuffer(), about: gl.createBuffer() };
  }
  gl.bindVertexArray(buffers.marks.array);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.marks.place);
  gl.bufferData(gl.ARRAY_BUFFER, places, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.marks.about);
  gl.bufferData(gl.ARRAY_BUFFER, about, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(1);
  gl.vertexAttribIPointer(1, 3, gl.UNSIGNED_INT, 0, 0);
  buffers.markCount = marks.size;
  tell("changed");
}

// The colors of the classes, as they are to be seen now.
export function setPalette() {
  const colors = new Uint8Array(4 * 256).fill(128);
  app.classes.forEach((_, k) => colors.set([...colorOf(k), 255], 4 * k));
  bind(0, textures.palette ||= texture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colors);
  tell("changed");
}

export function setRamp(ramp) {
  bind(0, textures.ramp ||= texture());
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, ramp);
}
