"""From scenes to batches: transforms, samples, samplers and loaders."""
