// WebGL 2: points into a picture with depth, then eye-dome lighting over it; and the camera.

const canvas = $("canvas"), gl = canvas.getContext("webgl2", { antialias: false });
if (!gl) {
  $("about").textContent = "This browser has no WebGL 2; open the PNG instead.";
  throw new Error("no WebGL 2");
}

// The linked program of the shaders <name>.vert and <name>.frag, and the locations of its uniforms by name.
function program(name) {
  const linked = gl.createProgram(), uniforms = {};
  for (const [kind, id] of [[gl.VERTEX_SHADER, name + ".vert"], [gl.FRAGMENT_SHADER, name + ".frag"]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, $(id).textContent);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(id + ": " + gl.getShaderInfoLog(shader));
    gl.attachShader(linked, shader);
  }
  gl.linkProgram(linked);
  if (!gl.getProgramParameter(linked, gl.LINK_STATUS)) throw new Error(name + ": " + gl.getProgramInfoLog(linked));
  for (let i = 0; i < gl.getProgramParameter(linked, gl.ACTIVE_UNIFORMS); i++) {
    const uniform = gl.getActiveUniform(linked, i).name;
    uniforms[uniform] = gl.getUniformLocation(linked, uniform);
  }
  return { linked, uniforms };
}
const points = program("points"), lighting = program("lighting");

function attribute(place, values, size, type) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, size, type, true, 0, 0);
  return buffer;
}
attribute(0, arrays.position, 3, gl.UNSIGNED_SHORT);
const paintBuffer = attribute(1, paint, 4, gl.UNSIGNED_BYTE);
attribute(2, arrays.light, 1, gl.UNSIGNED_BYTE);

const frame = gl.createFramebuffer(), textures = [gl.createTexture(), gl.createTexture()];
function resize() {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(innerWidth * scale));
  canvas.height = Math.max(1, Math.round(innerHeight * scale));
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  [
    [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT0],
    [gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.DEPTH_ATTACHMENT],
  ].forEach(([stored, format, type, attachment], i) => {
    gl.activeTexture(gl.TEXTURE0 + i);
    gl.bindTexture(gl.TEXTURE_2D, textures[i]);
    gl.texImage2D(gl.TEXTURE_2D, 0, stored, canvas.width, canvas.height, 0, format, type, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, textures[i], 0);
  });
  redraw();
}

// The camera stands at the angles (turn, tilt) and the distance from the target; z is up.
let turn, tilt, distance, target, matrix, near, far, waiting = false;
const FOCAL = 1.9;  // in halves of the canvas height: 55 degrees from bottom to top

function startView() {
  const narrow = Math.min(1, innerWidth / innerHeight);
  const [from, to] = scene.core, size = to.map((v, i) => v - from[i]);
  turn = -Math.PI / 3;
  tilt = 1.0;
  target = [0, 1, 2].map(i => low[i] + from[i] + size[i] * (i === 2 ? 0.35 : 0.5));
  const margin = narrow < 1 ? 0.66 : 0.56;
  distance = Math.max(margin * Math.hypot(...size) * FOCAL / narrow, 0.01 * longest, 1e-3);
  redraw();
}

function axes() {
  const [ct, st, ce, se] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  return { back: [ce * ct, ce * st, se], right: [-st, ct, 0], up: [-se * ct, -se * st, ce] };
}

// Set the projection `matrix` (column-major) and the depths between which it draws.
function setProjection() {
  const { back, right, up } = axes(), eye = target.map((t, i) => t + distance * back[i]);
  const aspect = canvas.width / canvas.height, reach = Math.hypot(...extent) + Math.hypot(...target);
  far = distance + reach;
  near = Math.max(distance - reach, far / 2000);
  const a = (far + near) / (near - far), b = 2 * far * near / (near - far);
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const scaled = (v, s) => [v[0] * s, v[1] * s, v[2] * s, -dot(v, eye) * s];
  const [x, y, z] = [scaled(right, FOCAL / aspect), scaled(up, FOCAL), scaled(back, 1)];
  matrix = new Float32Array(16);
  for (let c = 0; c < 4; c++) matrix.set([x[c], y[c], a * z[c] + (c === 3 ? b : 0), -z[c]], 4 * c);
}

function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }

function cutHeight() { return low[2] + Number($("cut").value); }

function draw() {
  waiting = false;
  setProjection();
  drawPoints(Number($("size").value));
  drawLighting();
  $("size").nextElementSibling.value = "× " + Number($("size").value).toFixed(1);
  $("cut").nextElementSibling.value = Number($("cut").value).toFixed(2) + " m";
  document.body.dataset.drawn = N;
}

function drawPoints(size) {
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.enable(gl.DEPTH_TEST);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.useProgram(points.linked);
  const { uniforms } = points;
  gl.uniformMatrix4fv(uniforms.matrix, false, matrix);
  gl.uniform3fv(uniforms.low, low);
  gl.uniform3fv(uniforms.extent, extent);
  gl.uniform1f(uniforms.cut, cutHeight() + 1e-5 * longest);
  gl.uniform1f(uniforms.near, near);
  gl.uniform1f(uniforms.far, far);
  gl.uniform1f(uniforms.pull, 2 * scene.spacing * size);
  gl.uniform1f(uniforms.size, size * scene.spacing * FOCAL * canvas.height / 2);
  gl.drawArrays(gl.POINTS, 0, N);
}

function drawLighting() {
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.disable(gl.DEPTH_TEST);
  gl.useProgram(lighting.linked);
  const { uniforms } = lighting;
  gl.uniform1i(uniforms.picture, 0);
  gl.uniform1i(uniforms.depths, 1);
  gl.uniform1f(uniforms.near, near);
  gl.uniform1f(uniforms.far, far);
  gl.uniform1f(uniforms.reach, canvas.height / innerHeight);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}
