"""The parts of a recorded run's schema, and its tables on disk."""
