// WebGL 2: programs, textures, buffers, and frames that hold a picture, its depths and the point at each pixel.

import { $ } from "./state.js";

export const canvas = $("canvas");
export const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: false });
export const WIDTH = 2048;  // of the textures that hold a value a node

async function source(name) {
  const response = await fetch("page/" + name);
  if (!response.ok) throw new Error(name + " is missing");
  return response.text();
}

// The program of the shaders <name>.vert and <name>.frag, and the locations of its uniforms by name.
export async function program(name) {
  const linked = gl.createProgram(), uniforms = {};
  for (const [kind, file] of [[gl.VERTEX_SHADER, name + ".vert"], [gl.FRAGMENT_SHADER, name + ".frag"]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, await source(file));
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(file + ": " + gl.getShaderInfoLog(shader));
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

export function texture() {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const kind of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, kind, gl.NEAREST);
  return made;
}

// Let texture unit `unit` be `made`.
export function bind(unit, made) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, made);
}

export class Frame {
  constructor() {
    this.frame = gl.createFramebuffer();
    this.textures = [texture(), texture(), texture()];  // picture, points, depths
    [this.width, this.height] = [0, 0];
  }

  // Be empty, of this size.
  begin(width, height) {
    if (width !== this.width || height !== this.height) this.resize(width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.clearBufferfv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.clearBufferuiv(gl.COLOR, 1, [0, 0, 0, 0]);
    gl.clearBufferfv(gl.DEPTH, 0, [1]);
  }

  resize(width, height) {
    [this.width, this.height] = [width, height];
    const kinds = [
      [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT0],
      [gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, gl.COLOR_ATTACHMENT1],
      [gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.DEPTH_ATTACHMENT],
    ];
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    kinds.forEach(([stored, format, type, attachment], i) => {
      bind(0, this.textures[i]);
      gl.texImage2D(gl.TEXTURE_2D, 0, stored, width, height, 0, format, type, null);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, this.textures[i], 0);
    });
    gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
  }

  // The numbers of the points, counted from 1, in a rectangle of pixels from its lower left corner; 0 where is none.
  numbers(x, y, width, height) {
    const found = new Uint32Array(4 * width * height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.readBuffer(gl.COLOR_ATTACHMENT1);
    gl.readPixels(x, y, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, found);
    return found.filter((_, i) => i % 4 === 0);
  }
}
