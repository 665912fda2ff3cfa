"""What lives inside Locust's process; only `spool` may be imported from outside it."""
