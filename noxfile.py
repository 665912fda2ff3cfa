"""Every task of the project: `nox -s bench` compares backends, `nox -s tests` checks the harness."""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_external_run = True
# A fresh machine has one Python, and the tests must pass there; CI's matrix brings the others.
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
# Tests that run side by side: their outcome is the same whatever others take of the CPUs. What is alone measures, or
# asks for something within a time; whatever is new, is alone too. They start in this order: what takes longest leads.
SIDE_BY_SIDE = [
    "tests/harness/test_interrupt.py", "tests/harness/test_correctness.py", "tests/harness/test_run_closed.py",
    "tests/harness/test_regress_revisions.py", "tests/harness/test_build.py", "tests/audit", "tests/backends",
    "tests/browser", "tests/servers", "tests/reports", "tests/test_action.py", "tests/test_arrows.py",
    "tests/harness/test_bad_input.py", "tests/harness/test_compare.py", "tests/harness/test_counts_file.py",
    "tests/harness/test_exact.py", "tests/harness/test_faults.py", "tests/harness/test_history.py",
    "tests/harness/test_link.py", "tests/harness/test_own_server.py", "tests/harness/test_revisions.py",
    "tests/harness/test_search.py", "tests/harness/test_shelf.py", "tests/harness/test_stock_locust.py",
    "tests/harness/test_variants.py", "tests/harness/test_wire.py", "tests/load/test_checks.py",
    "tests/load/test_client.py", "tests/load/test_cookies.py", "tests/load/test_locust_stats.py",
    "tests/load/test_moments.py", "tests/load/test_spool.py",
]  # fmt: skip
ALONE = ["tests/servers/test_kill.py", "tests/servers/test_session_service.py"]
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
def audit(session: nox.Session) -> None:
    """Try what a session backend must get right: nox -s audit -- [VARIANT…]."""
    install(session)
    session.run("session-bench", "audit", *session.posargs)


@nox.session(python=THIS_PYTHON)
def report(session: nox.Session) -> None:
    """Draw a recorded run's report again: nox -s report -- results/RUN."""
    install(session)
    session.run("session-bench", "report", *session.posargs)


def pytest_all(session: nox.Session, *first: str, then: tuple[str, ...] = ()) -> None:
    """Run every test: what may run side by side `first`, what may not `then`, each with options of its own."""
    # The profile's examples are the same each time and may take their time: a machine that stands still is no finding.
    pytest = ["pytest", "--hypothesis-profile=ci"]
    files = [path for path in sorted(Path("tests").rglob("test_*.py")) if str(path) not in ALONE]
    beside = [path for place in SIDE_BY_SIDE for path in files if path.is_relative_to(place)]
    alone = [*(path for path in files if path not in beside), *map(Path, ALONE)]
    processes = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
    session.run(*pytest, *first, *processes, *map(str, beside))
    session.run(*pytest, *then, *map(str, alone))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test everything on real servers, warnings as errors: nox -s tests -- [pytest's arguments]."""
    install(session, "test")
    if session.posargs:
        session.run("pytest", "--hypothesis-profile=ci", *session.posargs)
    else:
        pytest_all(session)


@nox.session(python=THIS_PYTHON)
def coverage(session: nox.Session) -> None:
    """Run the tests again and say which lines none of them runs."""
    install(session, "test")
    pytest_all(session, "--cov", "--cov-report=", then=("--cov", "--cov-append", "--cov-report="))
    session.run("coverage", "report")


@nox.session(python=THIS_PYTHON)
def pictures(session: nox.Session) -> None:
    """Take README's pictures of a run's page again, in Chromium: nox -s pictures -- [results/RUN]."""
    install(session, "test")
    session.run("session-bench", "report", *session.posargs or ["results/reference"])
    session.run("python", "-m", "tests.browser.pictures", *session.posargs)


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
