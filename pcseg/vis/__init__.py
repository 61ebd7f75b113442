"""Pictures of segmented clouds: PNG without a display, an interactive HTML page, an Open3D window."""
