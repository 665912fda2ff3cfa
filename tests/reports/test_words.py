from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports.words import text, units
from tests.reports.synthetic import EVIL


@given(st.text())
def test_plain_text_is_one_line_that_shows_all_it_holds(foreign: str) -> None:
    shown = text.plain(foreign)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"])) | st.just(EVIL))
def test_markdown_shows_foreign_text_as_it_is(foreign: str) -> None:
    page = MarkdownIt("gfm-like", {"linkify": False}).render(f"x {text.markdown(foreign)}")
    expected = text.plain(foreign).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert page == f"<p>x {expected.replace(chr(34), '&quot;')}".rstrip() + "</p>\n"


@given(st.text())
def test_a_file_name_stays_in_its_folder(foreign: str) -> None:
    name = text.file_name(foreign)
    assert name
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>| \n')
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.9996, "1.00"),
        (3.859, "3.86"),
        (9.996, "10.0"),
        (99.96, "100"),
        (123.4, "123"),
        (1243.0, "1,240"),
        (999_950, "1,000,000"),
    ],
)
def test_three_significant_digits(value: float, written: str) -> None:
    assert units.significant(value) == written


@given(st.floats(1e-6, 1e9))
def test_what_is_written_is_within_half_a_digit(value: float) -> None:
    assert float(units.significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (units.ms(3_859), "3.86"),
        (units.us(0.4), "< 1"),
        (units.us(0), "0"),
        (units.us(238.4), "238"),
        (units.per_second(3_788.4), "3,788"),
        (units.per_second(12.34), "12.3"),
        (units.mib(80_740_352), "77.0"),
        (units.mib(1_234 * 2**20), "1,234"),
        (units.percent(0), "0 %"),
        (units.percent(0.00001), "< 0.01 %"),
        (units.percent(0.0088), "0.88 %"),
        (units.percent(0.031), "3.1 %"),
        (units.percent(0.83), "83 %"),
        (units.plural(1, "trial"), "1 trial"),
        (units.plural(1_200, "trial"), "1,200 trials"),
    ],
)
def test_units(written: str, expected: str) -> None:
    assert written == expected
