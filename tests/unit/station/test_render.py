"""Text as dots: readable, of the sign's size, and whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station_agent.signs.render import pages


def lit(text: str, size: tuple[int, int] = (128, 16), pages_max: int = 4) -> list[int]:
    return [sum(page.dots) for page in pages(text, size, pages_max)]


def picture(text: str) -> list[str]:
    (page,) = pages(text, (16, 16), 1)
    return ["".join("#" if dot else "." for dot in page.dots[row * 16 : row * 16 + 16]) for row in range(16)]


def test_a_character_is_drawn_with_its_strokes() -> None:
    """口 is a frame: nothing in its middle, a stroke at each side."""
    rows = picture("口")
    inside = [row[6:10] for row in rows[6:9]]
    assert all(part == "...." for part in inside)
    assert all("#" in row[:5] and "#" in row[11:] for row in rows[5:11])
    assert any(row.count("#") >= 8 for row in rows[:5])
    assert any(row.count("#") >= 8 for row in rows[10:])


def test_simplified_forms_are_drawn() -> None:
    assert picture("门") != picture("門")
    assert picture("驿") != picture("驛")


def test_eight_characters_fit_one_page_and_nine_need_two() -> None:
    assert len(lit("幸福汇驿站欢迎您")) == 1
    assert len(lit("幸福汇驿站欢迎您来")) == 2


def test_what_is_too_long_ends_in_dots_and_never_exceeds_the_pages() -> None:
    found = pages("驿" * 200, (128, 16), 4)
    assert len(found) == 4
    assert found[3].dots != found[0].dots


def test_no_text_is_one_dark_page() -> None:
    assert lit("") == [0]
    assert lit("   ") == [0]


def test_a_word_stays_whole_and_punctuation_begins_no_line() -> None:
    """`Welcome` does not fit beside six characters: it has the second page to itself."""
    first, second = pages("请进欢迎回家 Welcome", (128, 16), 4)
    assert pages("请进欢迎回家", (128, 16), 4) == [first]
    assert pages("Welcome", (128, 16), 4) == [second]
    eight_and_stop = pages("一二三四五六七八。", (128, 16), 4)
    assert eight_and_stop[0] == pages("一二三四五六七", (128, 16), 4)[0]


@pytest.mark.parametrize("size", [(64, 16), (128, 32), (96, 48), (160, 24), (8, 8)])
def test_pages_have_the_size_of_the_sign(size: tuple[int, int]) -> None:
    for page in pages("今日零下20度 注意保暖", size, 4):
        assert (page.width, page.height) == size


@given(text=st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_drawn(text: str) -> None:
    assert 1 <= len(pages(text, (128, 16), 4)) <= 4
