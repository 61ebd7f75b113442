#version 300 es
// Each point is a disc, as large as its neighbors are far away; points above the cut and hidden ones are not drawn.
precision highp float;
layout(location = 0) in vec3 position;  // 0 to 1 within the extent
layout(location = 1) in vec4 paint;     // red, green, blue; alpha: 0 hidden, 0.5 plain, 1 labeled
layout(location = 2) in float light;
uniform mat4 matrix;
uniform vec3 low, extent;
uniform float cut, size, near, far, pull;
out vec3 color;
out float rim;

void main() {
  vec3 place = low + position * extent;
  bool hidden = place.z > cut || paint.a < 0.1;
  bool labeled = paint.a > 0.9;
  gl_Position = hidden ? vec4(2, 2, 2, 1) : matrix * vec4(place, 1);
  float diameter = size / gl_Position.w;
  gl_PointSize = labeled ? max(1.3 * diameter, 8.0) : clamp(diameter, 1.5, 60.0);
  color = labeled ? paint.rgb : paint.rgb * light;
  rim = labeled ? 0.14 : 1.0;
  if (labeled) {  // drawn in front of the points that touch it
    float depth = max(gl_Position.w - pull, near * 1.001);
    gl_Position.z = gl_Position.w * (far + near - 2.0 * far * near / depth) / (far - near);
  }
}
