"""One colour per backend, the same in every chart of every run; its variants differ in shade and hatch.

The seven known hues stand at least 16 apart (CIE 1976 ΔE), every pair of them, in normal sight and in
simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009), and have a contrast of at least 3 : 1
on their theme's paper (WCAG 2.2, 1.4.11). Charts name every row all the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.format import Run

PAPER: Final = ("#ffffff", "#12161c")
"""What charts are drawn on, light and dark; so are all pairs here."""
INK: Final = ("#1c2128", "#e6eaf0")
MUTED: Final = ("#57606b", "#a2acb9")
GRID: Final = ("#d9dee4", "#323a45")
SHADE: Final = ("#eef1f4", "#1e242c")
ALARM: Final = ("#c01c28", "#ff938a")

THEMED: Final = ("PAPER", "INK", "MUTED", "GRID", "SHADE", "ALARM")

KNOWN: Final = {
    "none": ("#7b828c", "#9aa0a8"),
    "memory": ("#c28500", "#f4c62e"),
    "cookie": ("#a3239c", "#cf6cc8"),
    "redis": ("#b3290f", "#f0714f"),
    "mongodb": ("#0a7d55", "#2fd596"),
    "postgres": ("#1c3fc4", "#6b86f7"),
    "http": ("#2b95cf", "#a5dafc"),
}
SPARE: Final = (
    ("#5a2a82", "#b48be0"),
    ("#6b5b00", "#d6cf6a"),
    ("#0b6470", "#62d0d8"),
    ("#8a4b5e", "#f0aec0"),
    ("#4a5a2a", "#b5d37f"),
)

_TINTS: Final = (0.0, 0.4, 0.6)
_HATCHES: Final = ("", "////", "....", "xxxx")


@dataclass(frozen=True, slots=True)
class Style:
    """How a variant is drawn: its colour on light and on dark paper, and its hatch."""

    light: str
    dark: str
    hatch: str

    @property
    def solid(self) -> bool:
        """Whether it is its backend's first variant, with filled marks and unbroken lines."""
        return not self.hatch


def styles(run: Run) -> dict[str, Style]:
    """Return the style of every variant of a run, by name."""
    colours = _colours({variant.backend for variant in run.variants})
    seen: dict[str, int] = {}
    drawn = {}
    for variant in run.variants:
        place = seen.get(variant.backend, 0)
        seen[variant.backend] = place + 1
        light, dark = colours[variant.backend]
        tint = _TINTS[min(place, len(_TINTS) - 1)]
        hatch = _HATCHES[min(place, len(_HATCHES) - 1)]
        # Darker on light paper and lighter on dark: contrast can only grow.
        drawn[variant.name] = Style(_mix(light, "#000000", tint), _mix(dark, "#ffffff", tint), hatch)
    return drawn


def _colours(backends: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give each backend its colour; an unknown one a spare that its name points at among those left."""
    colours = {}
    free = list(SPARE)
    for name in sorted(backends):
        if name in KNOWN:
            colours[name] = KNOWN[name]
        else:
            free = free or list(SPARE)
            colours[name] = free.pop(zlib.crc32(name.encode()) % len(free))
    return colours


def _mix(colour: str, other: str, share: float) -> str:
    channels = (
        round(int(colour[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)
