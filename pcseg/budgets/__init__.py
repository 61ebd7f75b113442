"""Label budgets: drawn, imported, checked and hashed files of the labels that training may read."""
