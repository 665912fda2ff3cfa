"""Locust with our recorder: `python -m harness.load -f scenarios/X.py …` takes every option of Locust's own."""

import locust.main  # first of all: gevent must patch the standard library before anything uses it

from harness.load import install

if __name__ == "__main__":
    install.install()
    locust.main.main()
