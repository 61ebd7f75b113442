#version 300 es
// The class's color, a white ring around it and a dark rim: seen on any ground, by any eyes.
precision highp float;
precision highp int;
flat in vec3 color;
flat in uint number;
flat in float ring;
layout(location = 0) out vec4 pixel;
layout(location = 1) out uint who;

void main() {
  vec2 offset = gl_PointCoord - 0.5;
  float away = length(offset);
  if (away > 0.5) discard;
  pixel = vec4(away > (ring > 0.35 ? 0.5 : 0.42) ? vec3(0.05) : away > ring ? vec3(1) : color, 1);
  who = number;
}
