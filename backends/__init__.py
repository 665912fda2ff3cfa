"""The system under test: one FastAPI app, one session middleware, one file per session backend."""

CONTRACT = 1
"""Version of all that a harness may rely on: describe's JSON, the environment, routes, bodies, /about."""
