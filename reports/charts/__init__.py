"""The charts, one file per kind, drawn once as PNG and SVG."""
