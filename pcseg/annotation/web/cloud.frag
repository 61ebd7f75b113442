#version 300 es
// A disc of one color; beside the picture, the number of the point at each pixel.
precision highp float;
precision highp int;
flat in vec3 color;
flat in uint number;
layout(location = 0) out vec4 pixel;
layout(location = 1) out uint who;

void main() {
  vec2 offset = gl_PointCoord - 0.5;
  if (dot(offset, offset) > 0.25) discard;
  pixel = vec4(color, 1);
  who = number;
}
