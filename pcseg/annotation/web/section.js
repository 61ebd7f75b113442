// The section: heights between which points are drawn, and a box to which the scan can be cut from any view.

import { camera, project } from "./camera.js";
import { placeOf } from "./cloud.js";
import { seenIn } from "./draw.js";
import { $, app, on, say, tell } from "./state.js";

const SIDES = [
  ["left-side", "from", 0], ["right-side", "to", 0], ["front-side", "from", 1], ["back-side", "to", 1],
];

// The sides of a box that holds everything, as seen by who looks along `angle`.
function everything(angle) {
  const [w, d] = app.scene.extent, [c, s] = [Math.cos(angle), Math.sin(angle)];
  const us = [0, c * w, s * d, c * w + s * d], vs = [0, -s * w, c * d, c * d - s * w];
  return { angle, from: [Math.min(...us), Math.min(...vs)], to: [Math.max(...us), Math.max(...vs)] };
}

export function wholeSection() {
  [app.bottom, app.top, app.box, app.cutting, app.before] = [0, app.scene.cut, everything(0), false, null];
  tell("section");
}

// How far a place is to the right and to the back of the lowest corner, in the directions of the box.
function across([x, y]) {
  const [c, s] = [Math.cos(app.box.angle), Math.sin(app.box.angle)];
  return [c * x + s * y, c * y - s * x];
}

const isCut = () => Boolean(app.before);

// Whether points at a place are drawn.
function shownAt(place) {
  const { from, to } = app.box, rim = 1e-3 * Math.max(...app.scene.extent);  // more than positions are rounded by
  const within = (v, low, high) => v >= low - rim && v <= high + rim;
  return within(place[2], app.bottom, app.top) && across(place).every((v, i) => within(v, from[i], to[i]));
}

// Show a place, for which the box is cleared and the section grows where it lies outside.
export function reveal(place) {
  if (shownAt(place)) return;
  if (isCut()) clearBox();
  [app.bottom, app.top] = [Math.min(app.bottom, place[2]), Math.max(app.top, place[2])];
  if (!shownAt(place)) app.box = everything(0);
  say("the section is opened: the point lies outside");
  tell("section");
}

// Have a rectangle drawn, to which the scan is cut; again: not after all.
export function startBox() {
  app.cutting = !app.cutting;
  tell("chosen");
}

// Cut the scan to the points that are seen in a rectangle of the page.
export function cutTo(left, top, width, height) {
  const points = [...new Set(seenIn(left, top, width, height).map(each => each.point))];
  app.cutting = false;
  tell("chosen");
  if (points.length < 2) { say("no points are seen there"); return; }
  const before = app.before || [app.bottom, app.top], low = [1e9, 1e9, 1e9], high = [-1e9, -1e9, -1e9];
  app.box = everything(camera.turn + Math.PI / 2);
  for (const point of points) {
    const place = placeOf(point);
    [...across(place), place[2]].forEach((v, i) => {
      [low[i], high[i]] = [Math.min(low[i], v), Math.max(high[i], v)];
    });
  }
  Object.assign(app.box, { from: low.slice(0, 2), to: high.slice(0, 2) });
  [app.bottom, app.top, app.before] = [low[2], high[2], before];
  say("cut to what was seen there; Shift+A shows all again");
  tell("section");
}

// Show all again, between the heights from before.
export function clearBox() {
  if (app.cutting) startBox();
  if (!isCut()) return;
  [[app.bottom, app.top], app.box, app.before] = [app.before, everything(0), null];
  tell("section");
}

for (const [id, end, axis] of SIDES) {
  $(id).oninput = () => {
    app.before ||= [app.bottom, app.top];
    const value = Number($(id).value), { from, to } = app.box;
    app.box[end][axis] = end === "from" ? Math.min(value, to[axis]) : Math.max(value, from[axis]);
    tell("section");
  };
}
$("box").onclick = startBox;
$("unbox").onclick = clearBox;

on("section", () => {
  if (!app.scene) return;
  const whole = everything(app.box.angle);
  for (const [id, end, axis] of SIDES) {
    [$(id).min, $(id).max] = [whole.from[axis], whole.to[axis]];
    $(id).value = app.box[end][axis];
    $(id).nextElementSibling.value = (app.box[end][axis] - whole.from[axis]).toFixed(2) + " m";
  }
  $("unbox").disabled = !isCut();
  $("box").classList.toggle("on", isCut());
});
on("chosen", () => $("box").classList.toggle("on", Boolean(app.cutting) || isCut()));

// The edges of the box on the page, as pairs of spots; none while there is no box.
export function edges() {
  if (!app.scene || !isCut()) return [];
  const { angle, from, to } = app.box, [c, s] = [Math.cos(angle), Math.sin(angle)], found = [];
  const corner = n => {
    const [u, v] = [n & 1 ? to[0] : from[0], n & 2 ? to[1] : from[1]];
    return project([c * u - s * v, s * u + c * v, n & 4 ? app.top : app.bottom]);
  };
  for (let n = 0; n < 8; n++) {
    for (const bit of [1, 2, 4]) {
      const pair = [corner(n), corner(n | bit)];
      if (!(n & bit) && pair[0] && pair[1]) found.push(pair);
    }
  }
  return found;
}
