"""The flaws, one class each, in files named after the checks that find them; see `tests.audit.broken`."""
