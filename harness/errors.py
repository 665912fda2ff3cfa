"""Errors that a user sees: one paragraph, one exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every verb."""

    FINE = 0
    TESTED_FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    COMPONENT = 4
    INVALID = 5
    INTERRUPTED = 130


class BenchError(Exception):
    """Something went wrong that the user can mend; the message says what, where, and what to do."""

    exit = Exit.USAGE


class UsageError(BenchError):
    """A flag, a file or a name is not right."""


class ComponentError(BenchError):
    """A server, a driver, an app or a port could not be had."""

    exit = Exit.COMPONENT


class MeasurementError(BenchError):
    """The measurement itself cannot be trusted."""

    exit = Exit.INVALID
