"""How session data becomes bytes: json, msgspec (MessagePack), orjson, pickle; imported when chosen."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backends.errors import ConfigurationError, MissingModule

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Codec:
    """A pair of functions; `decode` raises some exception for bytes that `encode` did not write.

    `trusting` marks a codec whose bytes must never come from a client.
    """

    encode: Callable[[dict[str, Any]], bytes]
    decode: Callable[[bytes], Any]
    trusting: bool = False


def load(name: str) -> Codec:
    """Return the codec of this name; raises MissingModule when its library is not installed."""
    if name not in _CODECS:
        raise ConfigurationError(f"There is no codec {name!r}; the codecs are {', '.join(sorted(_CODECS))}.")
    try:
        return _CODECS[name]()
    except ModuleNotFoundError as error:
        raise MissingModule(f"codec={name}", (error.name or name).partition(".")[0]) from None


def _json() -> Codec:
    # json.dumps() makes an encoder for every call with arguments, json.loads() guesses an encoding.
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    decode = json.JSONDecoder().decode
    return Codec(lambda data: encode(data).encode(), lambda payload: decode(payload.decode()))


def _msgspec() -> Codec:
    import msgspec.msgpack  # noqa: PLC0415 - an optional library

    return Codec(msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode)


def _orjson() -> Codec:
    import orjson  # noqa: PLC0415 - an optional library

    return Codec(orjson.dumps, orjson.loads)


def _pickle() -> Codec:
    return Codec(
        lambda data: pickle.dumps(data, protocol=5),
        pickle.loads,
        trusting=True,
    )


_CODECS: dict[str, Callable[[], Codec]] = {
    "json": _json,
    "msgspec": _msgspec,
    "orjson": _orjson,
    "pickle": _pickle,
}
