"""Scenes: one scanned room as arrays, and the folder that holds it."""
