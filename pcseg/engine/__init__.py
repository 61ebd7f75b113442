"""The training loop, the evaluator, prediction and checkpoints."""
