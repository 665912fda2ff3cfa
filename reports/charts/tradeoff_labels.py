"""Where the names of points go on a chart, so that none lies on another, on a point or on a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIRECTIONS: Final = (
    (1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1), (1, -0.5), (1, 0.5), (-1, -0.5), (-1, 0.5),
    (0.5, -1), (0.5, 1), (-0.5, -1), (-0.5, 1),
)  # fmt: skip
"""Right, left, above, below, the corners and between them: the earlier, the better it reads."""
_STEP: Final = 5.0
_FARTHEST: Final = 28
_ON_A_NAME: Final = 1e6
"""A name on a name is worse than any place far from its point."""
_ON_A_MARK: Final = 60.0
_ON_A_LINE: Final = 2.0
_ACROSS: Final = 40.0
"""What it costs that the line to a name crosses what is another's: it would seem to lead there."""
_LED: Final = 2 * _STEP
_SAMPLES: Final = 12
_THICK: Final = 3.0
"""Of the line to a name, with the room that it wants."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in points from the upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def over(self, other: Box) -> float:
        """Return how much of it lies on another, in square points."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0

    def holds(self, x: float, y: float) -> bool:
        """Return whether a place is on it, or within a point of it."""
        return self.left - 1 <= x <= self.right + 1 and self.top - 1 <= y <= self.bottom + 1

    def inside(self, other: Box) -> bool:
        """Return whether none of it lies outside another."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A point with a name of this size; `radius` is the mark's."""

    x: float
    y: float
    radius: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name goes, and whether it stands so far off that a line must lead to it."""

    box: Box
    led: bool


def places(points: Sequence[Point], lines: Sequence[Box], taken: Sequence[Box], within: Box) -> list[Place]:
    """Return a place for every name, the crowded ones chosen first; `taken` is what no name may lie on.

    `lines` may be crossed where nothing else is free, and so may those that lead to names.
    """
    marks = [Box(each.x - each.radius, each.y - each.radius, 2 * each.radius, 2 * each.radius) for each in points]
    names, crossable = list(taken), list(lines)
    found: dict[int, Place] = {}
    for number in sorted(range(len(points)), key=lambda each: -_crowd(points, each)):
        point = points[number]
        box, far = _best(point, within, names, marks, crossable)
        names.append(box)
        found[number] = Place(box, led=far >= _LED)
        if found[number].led:
            crossable += [Box(x - _THICK / 2, y - _THICK / 2, _THICK, _THICK) for x, y in _way(point, box)]
    return [found[number] for number in range(len(points))]


def _crowd(points: Sequence[Point], number: int) -> float:
    own = points[number]
    return sum(1 / (1 + math.hypot(own.x - each.x, own.y - each.y)) for each in points) + own.width / 1e3


def _best(
    point: Point, within: Box, names: Sequence[Box], marks: Sequence[Box], lines: Sequence[Box]
) -> tuple[Box, float]:
    """Return the best place around a mark, nearest first, and how far off it is."""
    best = (math.inf, _beside(point, (1, 0), 0.0), 0.0)
    for far in (step * _STEP for step in range(_FARTHEST)):
        if best[0] <= far:
            # From here on distance alone costs more.
            break
        for direction in _DIRECTIONS:
            box = _beside(point, direction, far)
            if not box.inside(within):
                continue
            cost = _cost(box, names, marks, lines) + far
            if far >= _LED and cost < best[0]:
                cost += _ACROSS * _crossed(point, box, [*names, *marks, *lines])
            if cost < best[0]:
                best = (cost, box, far)
    return best[1], best[2]


def _beside(point: Point, direction: tuple[float, float], far: float) -> Box:
    across, down = direction
    # Into a corner less of the mark is in the way.
    reach = (point.radius * (0.75 if across and down else 1)) + 2.5 + far
    x, y = point.x + across * reach, point.y + down * reach
    left = x - point.width * (1 - across) / 2
    return Box(left, y - point.height * (1 - down) / 2, point.width, point.height)


def _cost(box: Box, names: Sequence[Box], marks: Sequence[Box], lines: Sequence[Box]) -> float:
    on_names = sum(box.over(each) > 0 for each in names)
    on_marks = sum(box.over(each) > 0 for each in marks)
    on_lines = sum(box.over(each) for each in lines)
    return on_names * _ON_A_NAME + on_marks * _ON_A_MARK + on_lines * _ON_A_LINE


def _crossed(point: Point, box: Box, others: Sequence[Box]) -> int:
    """Return how much of what is not the point's own lies under the line from it to its name."""
    way = _way(point, box)
    return sum(any(each.holds(*at) for at in way) for each in others if not each.holds(point.x, point.y))


def _way(point: Point, box: Box) -> list[tuple[float, float]]:
    """Return places on the line from a point to its name."""
    x, y = leads_to(point, box)
    return [
        (point.x + (x - point.x) * step / _SAMPLES, point.y + (y - point.y) * step / _SAMPLES)
        for step in range(1, _SAMPLES)
    ]


def leads_to(point: Point, box: Box) -> tuple[float, float]:
    """Return the end of the line from a point to its name."""
    return min(max(point.x, box.left), box.right), min(max(point.y, box.top), box.bottom)
