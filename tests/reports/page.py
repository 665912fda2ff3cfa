"""A page taken apart with the standard library's parser: tables by their cells, elements, attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}


@dataclass
class Cell:
    """A table cell: its tag and attributes, its text, and the machine's value in it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    value: float | None = None
    to: float | None = None


@dataclass
class Page(HTMLParser):
    """What a browser would find."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: dict[str, list[list[Cell]]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _rows: list[list[Cell]] = field(default_factory=list)
    _cell: Cell | None = None

    def __init__(self, content: str) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)
        for name in ("elements", "texts", "unbalanced", "_open", "_rows"):
            setattr(self, name, [])
        self.tables = {}
        self._cell = None
        self.feed(content)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = self.tables[attributes["id"] or ""] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            value, to = (
                None if (each := attributes.get(name)) is None else float(each) for name in ("data-value", "data-to")
            )
            self._cell = Cell(tag, attributes, value=value, to=to)
            self._rows[-1].append(self._cell)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unbalanced.append(f"/{tag}")
        if tag in {"td", "th"}:
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._cell is not None:
            self._cell.text += data
