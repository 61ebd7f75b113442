#version 300 es
// A disc of one color; beyond the squared radius `rim`, in units of the diameter, it is dark.
precision highp float;
in vec3 color;
in float rim;
out vec4 pixel;

void main() {
  vec2 offset = gl_PointCoord - 0.5;
  float distance2 = dot(offset, offset);
  if (distance2 > 0.25) discard;
  pixel = vec4(distance2 > rim ? vec3(0.15) : color, 1);
}
