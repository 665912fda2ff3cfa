"""Workers that do not know each other's sessions."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.audit.broken import Flaw

if TYPE_CHECKING:
    from backends.environment import Environment


class EachWorkerMakesUpAKey(Flaw):
    """The key that signs the cookies is drawn at the start of each process."""

    breaks = 16
    variant = "cookie"

    def configure(self, configured: Environment) -> Environment:
        return replace(configured, settings=replace(configured.settings, key=os.urandom(32)))
