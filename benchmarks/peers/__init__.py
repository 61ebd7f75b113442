"""Other libraries of sparse convolutions, one adapter a file."""
