from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import envelope


@given(deadline=st.floats(min_value=1.0, max_value=1e12), payload=st.binary())
def test_round_trip(deadline: float, payload: bytes) -> None:
    assert envelope.unpack(envelope.pack(deadline, payload)) == (deadline, payload)


@given(data=st.binary(max_size=40))
def test_garbage_is_refused_or_harmless(data: bytes) -> None:
    opened = envelope.unpack(data)
    assert opened is None or (0 < opened[0] < math.inf and opened[1] == data[8:])


@pytest.mark.parametrize("deadline", [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300])
def test_no_deadline_lasts_forever(deadline: float) -> None:
    assert envelope.unpack(struct.pack(">d", deadline) + b"{}") is None


@given(deadline=st.floats(min_value=1.0, max_value=1e12), before=st.binary(), after=st.binary())
def test_new_content_keeps_its_deadline(deadline: float, before: bytes, after: bytes) -> None:
    again = envelope.repack(envelope.pack(deadline, before), after)
    assert envelope.unpack(again) == (deadline, after)
