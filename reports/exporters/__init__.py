"""One file per exporter: terminal, Markdown, CSV, page, JUnit, JSON."""
