from __future__ import annotations

import re
import unicodedata
from html import unescape

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
    page = rendered(f"x {text.markdown(foreign)}").replace("\N{ZERO WIDTH SPACE}", "")
    expected = text.plain(foreign).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert page == f"<p>x {expected.replace(chr(34), '&quot;')}".rstrip() + "</p>\n"


NOTICED = {
    # html-pipeline's filters and GitHub's documentation of what is linked by itself.
    "mention": r"(?:^|[^a-z0-9_])@[a-z0-9_]",
    "mail": r"[a-z0-9._+-]+@[a-z0-9_-]+\.[a-z0-9]",
    "issue": r"#\d|\bgh-\d",
    "commit": r"(?<![a-z0-9])(?=[0-9]*[a-f])[0-9a-f]{7,40}(?![a-z0-9])",
    "address": r"://|\bwww\.",
    # GitLab's, and what both make a picture of.
    "reference": r"&\d|%[\w\"]",
    "emoji": r":([\w+-]*[a-z][\w+-]*|[+-]1):",
}


def rendered(written: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(written))


def noticed(shown: str) -> set[str]:
    """Return what GitHub and GitLab would make a link of in a text, or tell somebody of."""
    return {name for name, pattern in NOTICED.items() if re.search(pattern, shown, re.ASCII | re.IGNORECASE)}


@pytest.mark.parametrize(
    ("foreign", "what"),
    [
        ("@somebody", {"mention"}),
        ("(@group/team)", {"mention"}),
        ("a@example.org", {"mail"}),
        (".@-.0", {"mail"}),
        ("#123", {"issue"}),
        ("owner/repo#1", {"issue"}),
        ("GH-26", {"issue"}),
        ("https://github.com/owner/repo/issues/1", {"address"}),
        ("www.example.org", {"address"}),
        ("4dce7ab0c1", {"commit"}),
        ("owner/repo@4dce7ab0c1d2e3f405162738495a6b7c8d9e0f10", {"commit"}),
        ("&3", {"reference"}),
        ('%"next"', {"reference"}),
        ("redis:heart:", {"emoji"}),
        ("a :+1:", {"emoji"}),
    ],
)
def test_a_name_tells_nobody_and_is_no_link(foreign: str, what: set[str]) -> None:
    assert noticed(foreign) == what
    assert noticed(unescape(rendered(text.markdown(foreign)))) == set()


@given(st.text(alphabet='@#!$&%~:/.-+_ "wgh07afzé'))
def test_nothing_that_is_shown_is_taken_for_a_reference(foreign: str) -> None:
    shown = unescape(rendered(f"x {text.markdown(foreign)}")).removeprefix("<p>").removesuffix("</p>\n")
    assert noticed(shown) == set()


@pytest.mark.parametrize(
    "name", ["redis:pool=5", "kill@3+2", "2026-05-04T10:03:47+00:00", "1234567890", "95 % of C#", "/srv/data"]
)
def test_what_is_no_reference_can_be_copied(name: str) -> None:
    assert "&#8203;" not in text.markdown(name)


def test_a_line_that_gitlab_would_carry_out_is_a_line() -> None:
    assert text.markdown("/close") == "/&#8203;close"
    assert text.markdown("/assign @somebody") == "/&#8203;assign @&#8203;somebody"


def test_backslashes_keep_gitlab_from_its_other_references() -> None:
    assert text.markdown("HEAD~1 !1 $1") == r"HEAD\~1 \!1 \$1"


def test_commits_that_are_meant_may_be_links() -> None:
    said = text.markdown("base 4dce7ab0c1, redis 4dce7ab0c2", ["4dce7ab0c1d2e3f4"])
    assert said == "base 4dce7ab0c1, redis 4dce7a&#8203;b0c2"


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
