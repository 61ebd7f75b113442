"""The shaders of the interactive page, vertex and fragment: points as discs, then eye-dome lighting over the picture."""

SHADERS = r"""const shaders = {
points: [`layout(location=0) in vec3 position; layout(location=1) in vec4 paint; layout(location=2) in float light;
uniform mat4 matrix; uniform vec3 low, extent; uniform float cut, size, near, far, pull; out vec3 color; out float rim;
void main() {
  vec3 p = low + position * extent;
  gl_Position = p.z > cut || paint.a < 0.1 ? vec4(2, 2, 2, 1) : matrix * vec4(p, 1);
  gl_PointSize = paint.a > 0.9 ? max(size / gl_Position.w * 1.3, 8.0) : clamp(size / gl_Position.w, 1.5, 60.0);
  rim = 1.0;
  color = paint.rgb * light;
  if (paint.a > 0.9) {  // a labeled point: unshaded, with a rim, and drawn before the points that touch it
    float depth = max(gl_Position.w - pull, near * 1.001);
    gl_Position.z = gl_Position.w * (far + near - 2.0 * far * near / depth) / (far - near);
    rim = 0.14;
    color = paint.rgb;
  }
}`,
`in vec3 color; in float rim; out vec4 pixel;
void main() {
  vec2 d = gl_PointCoord - 0.5;
  if (dot(d, d) > 0.25) discard;
  pixel = vec4(dot(d, d) > rim ? vec3(0.15) : color, 1);
}`],
lighting: [`void main() { gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1); }`,
`uniform sampler2D picture, depths; uniform float near, far, reach; out vec4 pixel;
float meters(ivec2 at) { float d = texelFetch(depths, clamp(at, ivec2(0), textureSize(depths, 0) - 1), 0).r; return near * far / (far - d * (far - near)); }
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 seen = texelFetch(picture, at, 0);
  if (seen.a == 0.0) { pixel = vec4(0.945, 0.953, 0.965, 1); return; }
  float here = log2(meters(at)), sum = 0.0;
  for (int r = 1; r <= 3; r++) for (int i = 0; i < 8; i++) {
    float turn = 0.7854 * float(i);
    ivec2 by = ivec2(round(reach * float(r * r) * 0.6 * vec2(cos(turn), sin(turn))));
    sum += clamp(here - log2(meters(at + by)), 0.0, 0.3);
  }
  pixel = vec4(seen.rgb * exp(-9.0 * sum / 24.0), 1);
}`],
};
"""
