"""Hand a trained network on: as a folder for Hugging Face's hub, or as a graph for other runtimes."""
