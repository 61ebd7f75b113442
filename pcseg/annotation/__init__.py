"""Label scans in a browser: clicks that are kept, labels that spread from them at once, and training from them."""
