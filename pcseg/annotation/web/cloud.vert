#version 300 es
// A point as a disc, colored by what the page shows: its own color, its height, or what is known of its node.
precision highp float;
precision highp int;
precision highp usampler2D;
layout(location = 0) in vec3 position;  // 0 to 1 within the extent
layout(location = 1) in vec4 paint;     // red, green, blue, intensity
layout(location = 2) in uint node;
uniform mat4 matrix;
uniform vec3 extent;
uniform vec2 side;                      // what is right in the box
uniform vec4 box;                       // its left, front, right and back side
uniform float bottom, top, size, largest, keep;
uniform int layer;
uniform usampler2D nodes;               // label, confidence, prediction, doubt
uniform sampler2D light, palette, ramp;
flat out vec3 color;
flat out uint number;

const int RGB = 0, INTENSITY = 1, HEIGHT = 2, LABEL = 3, CONFIDENCE = 4, PREDICTION = 5, DOUBT = 6, DIFFERS = 7;
const uint NONE = 255u;

vec3 shade(float value) { return texelFetch(ramp, ivec2(int(255.0 * clamp(value, 0.0, 1.0)), 0), 0).rgb; }
vec3 classColor(uint k) { return texelFetch(palette, ivec2(int(k), 0), 0).rgb; }

void main() {
  ivec2 at = ivec2(int(node) % 2048, int(node) / 2048);
  uvec4 known = texelFetch(nodes, at, 0);
  vec3 place = position * extent;
  float confidence = float(known.g) / 255.0;
  vec3 plain = vec3(0.30 + 0.5 * dot(paint.rgb, vec3(0.3, 0.59, 0.11)));
  color = plain;
  if (layer == RGB) color = paint.rgb;
  if (layer == INTENSITY) color = vec3(0.12 + 0.85 * paint.a);
  if (layer == HEIGHT) color = shade((place.z - bottom) / max(min(top, extent.z) - bottom, 1e-3));
  if (layer == LABEL && known.r != NONE && confidence >= keep) {
    color = mix(plain, classColor(known.r), 0.55 + 0.45 * confidence);
  }
  if (layer == CONFIDENCE && known.r != NONE) color = shade(confidence);
  if (layer == PREDICTION && known.b != NONE) color = classColor(known.b);
  if (layer == DOUBT && known.b != NONE) color = shade(float(known.a) / 255.0);
  if (layer == DIFFERS) {
    bool both = known.r != NONE && known.b != NONE && confidence >= keep;
    color = !both ? 0.6 * plain + 0.3 : known.r == known.b ? vec3(0.80, 0.82, 0.85) : vec3(0.80, 0.10, 0.15);
  }
  color *= texelFetch(light, at, 0).r;
  number = uint(gl_VertexID) + 1u;
  vec2 seen = vec2(dot(place.xy, side), side.x * place.y - side.y * place.x);
  bool hidden = place.z > top || place.z < bottom || any(lessThan(seen, box.xy)) || any(greaterThan(seen, box.zw));
  gl_Position = hidden ? vec4(2, 2, 2, 1) : matrix * vec4(place, 1);
  gl_PointSize = clamp(size / gl_Position.w, 1.5, largest);
}
