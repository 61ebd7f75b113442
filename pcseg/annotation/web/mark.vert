#version 300 es
// The mark of a point that a person labeled: a large disc in front of the points that touch it.
precision highp float;
precision highp int;
layout(location = 0) in vec3 place;  // meters
layout(location = 1) in uvec3 about; // number of the point, class, 1 for a small mark
uniform mat4 matrix;
uniform vec2 side;                      // what is right in the box
uniform vec4 box;                       // its left, front, right and back side
uniform float bottom, top, near, far, pull, large;
uniform sampler2D palette;
flat out vec3 color;
flat out uint number;
flat out float ring;

void main() {
  color = texelFetch(palette, ivec2(int(about.y), 0), 0).rgb;
  number = about.x + 1u;
  vec2 seen = vec2(dot(place.xy, side), side.x * place.y - side.y * place.x);
  bool hidden = place.z > top || place.z < bottom || any(lessThan(seen, box.xy)) || any(greaterThan(seen, box.zw));
  gl_Position = hidden ? vec4(2, 2, 2, 1) : matrix * vec4(place, 1);
  gl_PointSize = about.z == 1u ? 0.42 * large : large;
  ring = about.z == 1u ? 0.4 : 0.3;
  float depth = max(gl_Position.w - pull, near * 1.001);
  gl_Position.z = gl_Position.w * (far + near - 2.0 * far * near / depth) / (far - near);
}
