"""A run as tidy tables: their columns, their rows, and pandas frames."""
