"""Usual values that tools print in their help, which is to answer before PyTorch is loaded."""

DEPTH_TOLERANCE = 0.03
"""Farthest that a seen point is from the measured depth, as a share of that: noise of sensors, and errors of poses."""

DISTANCE, NORMAL, COLOR = 0.02, 32.0, 24.0
"""Weights in the cost of an edge of a surface graph: of its length, of the turn of the surface, of colors."""

BETA, LEAK, REACH, SMOOTH = 0.4, 0.01, 8.0, 100.0
"""Of spreading labels: what keeps random walks from an edge, what ends them, where a path counts as a forest, and what
ends the walks that even out both."""
