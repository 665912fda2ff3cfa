"""How quantities, metrics and foreign texts are written, the same in every exporter."""
