"""How quantities are written, the same in every exporter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MISSING: Final = "–"  # noqa: RUF001 - the dash of tables
MINUS: Final = "−"  # noqa: RUF001 - as wide as a plus
AT_LEAST: Final = "≥"


class Written(str):
    """A quantity as it is written, which remembers what it was written from."""

    __slots__ = ("to", "value")
    value: float
    to: float | None
    """The other end of a range."""

    def __new__(cls, text: str, value: float, to: float | None = None) -> Self:
        """Return the text; `value` and `to` are in the unit that they are recorded in."""
        written = super().__new__(cls, text)
        written.value, written.to = value, to
        return written


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, never in scientific notation: 0.0123, 45.6, 1,240."""
    return Written(_significant(value, digits), value)


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    # 9.996 rounds to 10.0, which has one decimal less to show.
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(decimals, 0)}f}"


def ms(us: float) -> str:
    """Return µs in milliseconds."""
    return Written(significant(us / 1e3), us)


def us(value: float) -> str:
    """Return µs; below one, the clock and the counters have nothing to say."""
    return Written(significant(value) if value >= 1 else "< 1" if value > 0 else "0", value)


def ms_apart(us: float) -> str:
    """Return a difference of µs in milliseconds, to the µs at best: finer, the clock has nothing to say."""
    return Written(ms(us) if abs(us) >= 1e3 else f"{us / 1e3:.3f}", us)  # noqa: PLR2004 - a ms


def us_apart(value: float) -> str:
    """Return a difference of µs, to a tenth at best."""
    return Written(significant(value) if abs(value) >= 10 else f"{value:.1f}", value)  # noqa: PLR2004 - from there on it is the same


def signed(value: float, write: Callable[[float], str]) -> str:
    """Return a difference as `write` writes it, with its sign before it; what comes out as zero has none."""
    text = write(abs(value))
    if not text.strip("0."):
        return Written("0", value)
    return Written(f"{'+' if value > 0 else MINUS}{text}", value)


def per_second(value: float) -> str:
    """Return a rate."""
    return Written(f"{value:,.0f}" if value >= 100 else significant(value), value)  # noqa: PLR2004 - three digits


def mib(value: float) -> str:
    """Return bytes in MiB."""
    return Written(f"{value / 2**20:,.0f}" if value >= 100 * 2**20 else significant(value / 2**20), value)


def size(value: int) -> str:
    """Return the bytes of a payload, to three digits: 100 B, 2.5 kB."""
    return Written(f"{value} B" if value < 1000 else f"{value / 1e3:,.3g} kB", value)  # noqa: PLR2004 - a kB


def percent(share: float) -> str:
    """Return a share in per cent; what is there is never shown as nothing."""
    if 0 < share < 0.0001:  # noqa: PLR2004 - a hundredth of a per cent
        return Written("< 0.01 %", share)
    digits = 0 if share == 0 or share >= 0.1 else 1 if share >= 0.01 else 2  # noqa: PLR2004 - two digits
    return Written(f"{share * 100:.{digits}f} %", share)


def change(share: float) -> str:
    """Return a change as a number of per cent with its sign, to a tenth at best: +4.6, −12, 0."""  # noqa: RUF002 - as written
    return Written(signed(share * 100, _per_cent), share)


def _per_cent(value: float) -> str:
    return f"{value:,.1f}" if value < 99.95 else f"{value:,.0f}"  # noqa: PLR2004 - three digits


def p_value(p: float) -> str:
    """Return a p-value with two digits; below a ten-thousandth nobody asks."""
    return Written("< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}", p)  # noqa: PLR2004 - two digits


def span(low: float, high: float, write: Callable[[float], str], dash: str = " – ") -> str:  # noqa: RUF001 - a range
    """Return a range as its ends are written."""
    return Written(f"{write(low)}{dash}{write(high)}", low, high)


def number(value: int) -> str:
    """Return what is only a name, such as a block's number."""
    return Written(str(value), value)


def count(value: int) -> str:
    """Return what was counted, to its last digit."""
    return Written(f"{value:,}", value)


def at_least(text: str, *, bounded: bool) -> str:
    """Return a figure marked as a lower bound where it is one."""
    if not bounded:
        return text
    marked = f"{AT_LEAST}{text}"
    return Written(marked, text.value) if isinstance(text, Written) else marked


def seconds(value: float) -> str:
    """Return a duration."""
    return f"{value:g} s"


def plural(count: int, word: str) -> str:
    """Return "1 trial" or "3 trials"."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def together(names: Sequence[str]) -> str:
    """Return one name or more in a row: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
