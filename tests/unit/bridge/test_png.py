"""Our pictures as PNG files, read by Pillow."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from firmware_bridge.codecs import png


@st.composite
def pictures(draw):
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 20))
    dots = draw(st.lists(st.integers(0, 1), min_size=width * height, max_size=width * height))
    return width, height, bytes(dots)


@given(picture=pictures(), lit=st.tuples(*[st.integers(0, 255)] * 3))
def test_pillow_sees_the_dots_that_were_drawn(picture, lit):
    width, height, dots = picture
    image = Image.open(io.BytesIO(png.encode(width, height, dots, lit)))
    assert (image.size, image.mode) == ((width, height), "P")
    assert list(image.convert("RGB").get_flattened_data()) == [lit if dot else (0, 0, 0) for dot in dots]


def test_the_same_picture_gives_the_same_file_and_another_one_another():
    assert png.encode(8, 1, bytes(8), (255, 0, 0)) == png.encode(8, 1, bytes(8), (255, 0, 0))
    assert png.encode(8, 1, bytes(8), (255, 0, 0)) != png.encode(8, 1, bytes([1] * 8), (255, 0, 0))


def test_a_colour_is_read():
    assert png.colour_of("#ff8000") == (255, 128, 0)
    for wrong in ("", "red", "#ff80", "#gg0000", "ff80001"):
        with pytest.raises(ValueError, match=r".+"):
            png.colour_of(wrong)
