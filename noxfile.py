"""Every task of the project: `nox -s bench` compares backends, `nox -s tests` checks the harness."""

import sys

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_external_run = True
# A fresh machine has one Python, and the tests must pass there; CI's matrix brings the others.
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def install(session: nox.Session, *groups: str) -> None:
    """Install the project with every driver and embedded server, and what a session needs beside it."""
    session.install("--quiet", "-e", ".[all]", *nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session(python=THIS_PYTHON)
def bench(session: nox.Session) -> None:
    """Compare the session backends on this machine: nox -s bench -- [VARIANT…] [--profile standard]."""
    install(session)
    session.run("session-bench", "run", *session.posargs)


@nox.session(python=THIS_PYTHON)
def regress(session: nox.Session) -> None:
    """Say whether this tree is slower than another revision: nox -s regress -- --base REF [VARIANT…]."""
    install(session)
    session.run("session-bench", "regress", *session.posargs)


@nox.session(python=THIS_PYTHON)
def report(session: nox.Session) -> None:
    """Draw a recorded run's report again: nox -s report -- results/RUN."""
    install(session)
    session.run("session-bench", "report", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test everything on real servers, warnings as errors: nox -s tests -- [pytest's arguments]."""
    install(session, "test")
    # The profile's examples are the same each time and may take their time: a machine that stands still is no finding.
    session.run("coverage", "run", "-m", "pytest", "--hypothesis-profile=ci", *session.posargs)
    if not session.posargs:
        session.run("coverage", "report")


@nox.session(python=THIS_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("--quiet", *nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=THIS_PYTHON)
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session, "test", "types")
    session.run("mypy")
    session.run("mypy", "tests", "benchmarks", "noxfile.py")


@nox.session(python=THIS_PYTHON)
def docs(session: nox.Session) -> None:
    """Check that the documentation names all there is, and that its links lead somewhere."""
    install(session, "test")
    session.run("pytest", "tests/test_docs.py")
