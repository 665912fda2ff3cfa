"""What the environment says to the app: SESSION_APP_*."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends import codecs, discovery, envelope
from backends.content import new_session
from backends.errors import ConfigurationError
from backends.store import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_BYTES = 32
_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FAR_FUTURE = 253_402_300_799.0
"""The last second of the year 9999: the sample outlives every run."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One app's configuration.

    `counters` is the folder that its counters go to, or None; `audit` adds the audit routes; `sessions` is
    how many live sessions an app seeds that keeps them in its own process.
    """

    variant: discovery.Variant
    settings: Settings
    counters: Path | None = None
    audit: bool = False
    sessions: int = 0


def read(environ: Mapping[str, str]) -> Environment:
    """Read the environment; raises ConfigurationError, whose text never holds the key or the store's URL."""
    variant = discovery.parse(_backend(environ))
    url = environ.get("SESSION_APP_STORE_URL", "")
    if variant.server and not url:
        raise ConfigurationError(
            f"SESSION_APP_STORE_URL is not set, and {variant.name} keeps its sessions on a server: "
            f"give it the URL of a server of the kind {variant.server}."
        )
    counters = environ.get("SESSION_APP_COUNTERS")
    settings = Settings(url=url, key=_key(environ), namespace=_namespace(environ), sample=_sample(variant))
    return Environment(
        variant=variant,
        settings=settings,
        counters=Path(counters) if counters else None,
        audit=environ.get("SESSION_APP_AUDIT") == "1",
        sessions=_sessions(environ),
    )


def _backend(environ: Mapping[str, str]) -> str:
    text = environ.get("SESSION_APP_BACKEND", "")
    if not text:
        raise ConfigurationError(
            f"SESSION_APP_BACKEND is not set; name a backend, one of {', '.join(sorted(discovery.found()))}."
        )
    return text


def _sample(variant: discovery.Variant) -> bytes:
    """Return one session as we would save it; a library has a way of its own."""
    if variant.backend.is_subject:
        return b""
    return envelope.pack(_FAR_FUTURE, codecs.load(variant.options.codec).encode(new_session("sample")))


def _key(environ: Mapping[str, str]) -> bytes:
    key = environ.get("SESSION_APP_KEY", "").encode()
    if len(key) < _KEY_BYTES:
        what = f"has {len(key)} bytes" if key else "is not set"
        raise ConfigurationError(
            f"SESSION_APP_KEY {what}; give it a secret of at least {_KEY_BYTES} bytes, such as the output of "
            "`python -c 'import secrets; print(secrets.token_hex(32))'`."
        )
    return key


def _namespace(environ: Mapping[str, str]) -> str:
    namespace = environ.get("SESSION_APP_NAMESPACE", "session_app")
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"SESSION_APP_NAMESPACE is {namespace!r}; it takes a lower-case letter, then up to 39 lower-case "
            "letters, digits and underscores."
        )
    return namespace


def _sessions(environ: Mapping[str, str]) -> int:
    text = environ.get("SESSION_APP_SESSIONS", "0")
    if not (text.isascii() and text.isdecimal()):
        raise ConfigurationError(f"SESSION_APP_SESSIONS is {text!r}; it takes a whole number.")
    return int(text)
