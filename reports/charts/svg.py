"""What becomes of a drawn SVG: a file that stands alone, and a form that takes on a page's theme."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Final, NamedTuple

from reports.words.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CUT: Final = "cut-"
PAPER: Final = "paper"
"""Ids that begin so are left out of the inline form."""
STRUCK: Final = "struck-"
STROKE: Final = "stroke-"
"""Ids of texts that are struck through, and of the lines that do it where there is no font but ours."""
OF: Final = "of-"
"""What the id of a variant's own drawing ends with, before the number of its group."""
_SVG: Final = "http://www.w3.org/2000/svg"
_GLOBAL: Final = frozenset({f"{{{_SVG}}}title", f"{{{_SVG}}}style"})
"""Elements that would speak for the whole page."""
_XLINK: Final = "http://www.w3.org/1999/xlink"
_PLACES: Final = frozenset({"d", "x", "y", "width", "height", "transform"})
_NUMBER: Final = re.compile(r"\d+\.\d+")
_OWN: Final = re.compile(rf"{OF}(\d+)-\d+$")
_FONT: Final = "'DejaVu Sans'"


class Group(NamedTuple):
    """What is drawn of a variant, or between several, and what is told to whoever points at it."""

    variants: tuple[str, ...]
    told: str


class Place(NamedTuple):
    """Where a page says that a variant is left out, in points from the upper left corner of the paper."""

    variant: str
    x: float
    y: float


def parse(drawn: bytes) -> ET.Element:
    """Return the drawing without metadata, its places rounded, its font with others to fall back on.

    What is struck through is so by the reader's own font: a drawn line would be as long as ours.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(drawn)  # noqa: S314 - our own drawing
    _remove(
        root,
        lambda element: element.tag == f"{{{_SVG}}}metadata" or element.get("id", "").startswith(STROKE),
    )
    for group in root.iter(f"{{{_SVG}}}g"):
        if group.get("id", "").startswith(STRUCK):
            for text in group.iter(f"{{{_SVG}}}text"):
                text.set("style", f"{text.get('style', '')}; text-decoration: line-through")
    for element in root.iter():
        if style := element.get("style"):
            element.set("style", style.replace(_FONT, f"{_FONT}, Verdana, sans-serif"))
        for name in _PLACES & element.attrib.keys():
            if "scale" not in element.attrib[name]:
                element.set(name, _NUMBER.sub(_rounded, element.attrib[name]).replace("\n", " ").strip())
    return root


def _rounded(number: re.Match[str]) -> str:
    """Write a place to a hundredth of a point: no screen shows more, and a page holds thousands."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def alone(root: ET.Element) -> bytes:
    """Return the drawing as a file."""
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def inline(  # noqa: PLR0917 - what is drawn, and what a page must know of it
    root: ET.Element,
    name: str,
    description: str,
    box: tuple[float, float, float, float],
    themes: Mapping[str, str],
    groups: Sequence[Group] = (),
    *,
    places: Sequence[Place] = (),
) -> str:
    """Return the drawing for a page: cut to `box` (points), `themes` in place of colours, every id its own.

    What belongs to a variant says so in `data-of`, and has a title where there is something to be told. What a page
    shows in its place while it is left out says so in `data-without`, hidden.

    The tree is changed.
    """
    _remove(root, lambda element: element.get("id", "").startswith((CUT, PAPER)) or element.tag in _GLOBAL)
    for element in root.iter():
        _name(element, groups)
        _rename(element, f"{name}-")
        _recolour(element, themes)
    for place in places:
        at = {"x": f"{place.x:.2f}", "y": f"{place.y:.2f}", "class": "instead"}
        text = ET.SubElement(root, f"{{{_SVG}}}text", {**at, "data-without": plain(place.variant), "hidden": ""})
        text.text = "left out"
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("viewBox", " ".join(f"{each:.2f}" for each in box))
    root.set("role", "img")
    root.set("aria-label", plain(description))
    return ET.tostring(root, encoding="unicode")


def _remove(root: ET.Element, unwanted: Callable[[ET.Element], bool]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if unwanted(child):
                parent.remove(child)


def _name(element: ET.Element, groups: Sequence[Group]) -> None:
    """Put variant and figure in the place of the id of what is a variant's own."""
    if (found := _OWN.search(element.get("id", ""))) is None:
        return
    group = groups[int(found[1])]
    del element.attrib["id"]
    element.set("data-of", "\n".join(map(plain, group.variants)))
    if group.told:
        title = ET.Element(f"{{{_SVG}}}title")
        title.text = plain(group.told)
        element.insert(0, title)


def _rename(element: ET.Element, prefix: str) -> None:
    """Set a prefix before the element's id and before those that it refers to."""
    for key, value in element.items():
        if key == "id":
            element.set(key, prefix + value)
        elif key in {f"{{{_XLINK}}}href", "clip-path", "style"}:
            element.set(key, value.replace("url(#", f"url(#{prefix}").replace("#", f"#{prefix}", value[:1] == "#"))


def _recolour(element: ET.Element, themes: Mapping[str, str]) -> None:
    style = element.get("style", "")
    if fill := element.attrib.pop("fill", ""):
        style = f"fill: {fill}; {style}"
    for colour, value in themes.items():
        style = style.replace(colour, value)
    if style:
        element.set("style", style)
