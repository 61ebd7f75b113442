#version 300 es
// Eye-dome lighting (Boucheny 2009): a pixel is darker the deeper it lies behind its neighbors.
precision highp float;
uniform sampler2D picture, depths;
uniform float near, far, reach;
out vec4 pixel;

float meters(ivec2 at) {
  float depth = texelFetch(depths, clamp(at, ivec2(0), textureSize(depths, 0) - 1), 0).r;
  return near * far / (far - depth * (far - near));
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 seen = texelFetch(picture, at, 0);
  if (seen.a == 0.0) {
    pixel = vec4(0.945, 0.953, 0.965, 1);
    return;
  }
  float here = log2(meters(at)), sum = 0.0;
  for (int ring = 1; ring <= 3; ring++) {
    for (int i = 0; i < 8; i++) {
      float turn = 0.7854 * float(i);
      ivec2 by = ivec2(round(reach * float(ring * ring) * 0.6 * vec2(cos(turn), sin(turn))));
      sum += clamp(here - log2(meters(at + by)), 0.0, 0.3);
    }
  }
  pixel = vec4(seen.rgb * exp(-9.0 * sum / 24.0), 1);
}
