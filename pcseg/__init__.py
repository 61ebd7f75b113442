"""Label-efficient semantic segmentation of 3D point clouds."""
