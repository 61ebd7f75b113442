"""Models: a network with its inputs and classes, and their checkpoints on disk."""
