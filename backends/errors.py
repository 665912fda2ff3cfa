"""What can be wrong with a configuration; each error is one paragraph for whoever starts the app."""

from __future__ import annotations

import re
from collections import Counter
from importlib import metadata

DISTRIBUTION = "session-bench"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*\bextra *== *['\"]([^'\"]+)['\"]")


class ConfigurationError(Exception):
    """A variant, an option or the environment asks for what cannot be."""


class MissingModule(ConfigurationError):  # noqa: N818 - says what is wrong with the interpreter
    """A driver or codec is not installed in this interpreter.

    `extra` is the extra of this project that brings it, or None when none does; `install` is a command.
    """

    def __init__(self, needed_by: str, module: str) -> None:
        self.module = module
        self.extra = extra_for(module)
        self.install = f"pip install '{DISTRIBUTION}[{self.extra}]'" if self.extra else f"pip install {module}"
        super().__init__(f"{needed_by} needs the module {module}, which is not installed; {self.install} brings it.")


def extra_for(module: str) -> str | None:
    """Look up which extra of the installed distribution brings a module, without asking any registry.

    Drivers are distributed under the name of their module, so the one stands for the other. Of several extras
    the one that brings least else is meant.
    """
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    found = [match.groups() for match in map(_REQUIREMENT.match, requirements) if match]
    sizes = Counter(extra for _, extra in found)
    return min((extra for name, extra in found if _same(name, module)), key=sizes.__getitem__, default=None)


def _same(distribution: str, module: str) -> bool:
    return re.sub(r"[._-]+", "-", distribution).lower() == re.sub(r"[._-]+", "-", module).lower()
