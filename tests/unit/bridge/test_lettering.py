"""ASCII text as pictures of a sign's size."""

import pytest

from firmware_bridge.drivers.lettering import lettered


def rows(page):
    return [page.dots[at : at + page.width] for at in range(0, len(page.dots), page.width)]


def test_a_short_text_stands_in_the_middle_of_one_page():
    (page,) = lettered("sign", "OPEN", (64, 16), 4)
    assert (page.width, page.height) == (64, 16)
    columns = [x for x in range(64) if any(row[x] for row in rows(page))]
    lines = [y for y, row in enumerate(rows(page)) if any(row)]
    assert abs(columns[0] - (63 - columns[-1])) <= 2
    assert abs(lines[0] - (15 - lines[-1])) <= 2
    assert set(page.dots) == {0, 1}


def test_a_long_text_is_broken_at_its_spaces_onto_pages():
    pages = lettered("sign", "OPEN FROM 8 TO 24", (64, 16), 8)
    assert 2 <= len(pages) <= 4
    assert len({page.dots for page in pages}) == len(pages)


def test_a_high_sign_shows_several_lines_on_one_page():
    assert len(lettered("sign", "OPEN FROM 8 TO 24", (64, 96), 1)) == 1


def test_a_word_that_is_too_long_is_cut():
    assert len(lettered("sign", "ABCDEFGHIJKLMNOP", (32, 16), 16)) > 1


def test_no_text_is_a_dark_page():
    (page,) = lettered("sign", "", (16, 8), 1)
    assert not any(page.dots)


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="sign has no '\\\\t' '驿' in its font; show a picture"):
        lettered("sign", "A\t驿", (64, 16), 4)
    with pytest.raises(ValueError, match=r"takes \d+ pages, 1 is the most"):
        lettered("sign", "OPEN FROM 8 TO 24", (32, 16), 1)
