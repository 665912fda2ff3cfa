from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import codecs
from backends.errors import ConfigurationError, MissingModule

NAMES = ("json", "msgspec", "orjson", "pickle")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
sessions = st.dictionaries(st.text(), values, max_size=6)


@pytest.mark.parametrize("name", NAMES)
@given(data=sessions)
def test_round_trip(name: str, data: dict[str, object]) -> None:
    codec = codecs.load(name)
    assert codec.decode(codec.encode(data)) == data


@pytest.mark.parametrize("name", NAMES)
@given(data=sessions)
def test_the_same_data_gives_the_same_bytes(name: str, data: dict[str, object]) -> None:
    codec = codecs.load(name)
    again = codec.decode(codec.encode(data))
    assert codec.encode(again) == codec.encode(codec.decode(codec.encode(again)))


def test_json_is_compact_and_keeps_its_letters() -> None:
    assert codecs.load("json").encode({"user": "Zoë", "updates": 1}) == '{"user":"Zoë","updates":1}'.encode()


def test_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        codecs.load("json").encode({"x": float("nan")})


def test_only_pickle_trusts_its_bytes() -> None:
    assert [name for name in NAMES if codecs.load(name).trusting] == ["pickle"]


@pytest.mark.parametrize("name", ["msgspec", "orjson"])
def test_a_missing_library_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.msgpack", None)
    with pytest.raises(MissingModule) as caught:
        codecs.load(name)
    assert (caught.value.module, caught.value.extra) == (name, "codecs")
    assert "pip install 'session-bench[codecs]'" in str(caught.value)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no codec 'yaml'"):
        codecs.load("yaml")
