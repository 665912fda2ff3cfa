from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports import stats
from reports.exporters import audit_markdown, markdown, pull_request
from reports.exporters.fitted import MOST, fitted
from reports.format import Arm
from reports.judging import told
from tests.reports import synthetic, synthetic_audits, synthetic_judged
from tests.reports.two_runs import NONE, figures, run, trial

if TYPE_CHECKING:
    from reports.format import Run

MANY = 200


def huge(name: str = "redis:pool={}", count: int = MANY // 2) -> Run:
    """Return a run of so many variants, half of them audited and failing."""
    names = [name.format(number) for number in range(count)]
    variants = [NONE, *(synthetic.variant(each, driver="redis 8.1.0", server=synthetic.VALKEY) for each in names)]
    trials = [
        trial(block, Arm(variant=each.name, figures=figures(800 + 3 * place, 300 + place)), state="SUSPECT")
        for block in range(1, 7)
        for place, each in enumerate(variants)
    ]
    made = run(trials, variants)
    made.summaries = stats.summaries(made.trials, made.baseline)
    made.told = told.told(made.trials[: 40 * 6], [each.name for each in variants[:40]])
    made.audits = [synthetic_audits.audit(each, synthetic_audits.check(3, "FAIL")) for each in names[::2]]
    return made


@pytest.fixture(scope="module")
def of_many() -> Run:
    return huge("redis:codec=msgspec,conflict=reject,idle_s=3600,pool={}")


@pytest.fixture(scope="module")
def check_of_many() -> Run:
    return synthetic_judged.check("regressed", tuple(f"redis:pool={number}" for number in range(MANY)))


def well_formed(text: str) -> None:
    assert len(text) <= MOST
    assert text.count("<details>") == text.count("</details>")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_a_report_of_a_hundred_variants_fits_and_says_what_is_left_out(of_many: Run) -> None:
    text = markdown.render(of_many)
    well_formed(text)
    assert text.startswith("# ")
    assert "index.html beside this file has all of it" in text
    assert re.search(r"\d+ more rows: ", text)


def test_a_pull_request_of_two_hundred_pairs_leads_with_its_verdict_and_fits(check_of_many: Run) -> None:
    assert check_of_many.judgement is not None
    text = pull_request.render(check_of_many, check_of_many.judgement)
    well_formed(text)
    assert re.search(r"^## . \w+ · ", text[:200], re.MULTILINE)
    assert "judgement.json" in text


def test_an_audit_of_two_hundred_variants_fits() -> None:
    made = synthetic_audits.only()
    made.audits = [each.model_copy(update={"variant": f"{each.variant}{n}"}) for n in range(60) for each in made.audits]
    known = {each.name: each for each in made.variants}
    made.variants = [
        known[each.variant.rstrip("0123456789")].model_copy(update={"name": each.variant, "slug": each.variant})
        for each in made.audits
        if each.variant.rstrip("0123456789") in known
    ]
    made.audits = [each for each in made.audits if any(each.variant == one.name for one in made.variants)]
    text = audit_markdown.render(made)
    well_formed(text)
    assert "audit.json" in text


def test_names_as_long_as_a_file_fit_too() -> None:
    made = huge("x" * 3_000 + "<script>|`{}", 24)
    text = markdown.render(made)
    assert len(text) <= MOST
    assert "This is cut to what a comment holds" in text
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert not [each for each in [*tokens, *inline] if each.type in {"html_inline", "html_block"}]


def test_code_that_is_cut_is_code_still() -> None:
    cut = fitted(f"# A\n\n- it lacks: `run {'@somebody ' * 2_000}`\n\nthe end\n", "elsewhere", 9_000)
    tokens = [child for token in MarkdownIt().parse(cut) for child in token.children or []]
    assert [token.type for token in tokens if "@somebody" in token.content] == ["code_inline"]


def test_what_fits_is_left_as_it_is() -> None:
    text = "# One\n\n| a |\n| --- |\n| 1 |\n"
    assert fitted(text, "elsewhere") is text
    assert fitted("x" * MOST, "elsewhere") == "x" * MOST


PARAGRAPHS = st.sampled_from(
    [
        "# A title",
        "some words " * 30,
        "| a | b |\n| --- | --- |\n" + "\n".join(f"| {number} | text |" for number in range(120)),
        "\n".join(f"- a reason, number {number}" for number in range(60)),
        "<details>\n<summary>more</summary>",
        "</details>",
        "y" * 9_000,
        "```sh\na command\n```",
    ]
)


@given(st.lists(PARAGRAPHS, min_size=1, max_size=25), st.integers(1_000, 20_000))
def test_whatever_comes_in_fits_and_what_was_cut_says_so(parts: list[str], most: int) -> None:
    text = "# The verdict\n\n" + "\n\n".join(parts) + "\n"
    cut = fitted(text, "elsewhere", most)
    assert len(cut) <= most
    assert cut.startswith("# The verdict\n")
    assert cut == text if len(text) <= most else "elsewhere" in cut


def test_a_first_paragraph_that_is_too_long_is_cut_where_a_line_ends() -> None:
    cut = fitted("\n".join(["# Verdict", *["a line of it"] * 500]), "elsewhere", 1_000)
    assert len(cut) <= 1_000
    assert cut.startswith("# Verdict\na line of it\n")
    assert cut.endswith("a line of it\n\nThis is cut to what a comment holds: elsewhere.\n")
