"""Budgets of labels and tags: files of what training may know, drawn or imported once, checked and hashed."""
