"""Pictures in a mapped framebuffer: pixels of every width, rows with a rest, what the kernel tells of a screen."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.codecs.pixels import USUAL_FORMATS, Field, PixelFormat, picture_of, rows_of
from firmware_bridge.framebuffer import Framebuffer, Geometry, parse_geometry

ORANGE = (255, 128, 0)


class KernelField(ctypes.Structure):
    """struct fb_bitfield"""

    _fields_ = [(name, ctypes.c_uint32) for name in ("offset", "length", "msb_right")]


class KernelVar(ctypes.Structure):
    """struct fb_var_screeninfo, its last twenty words as one array"""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("xres", "yres", "xres_virtual", "yres_virtual", "xoffset", "yoffset")),
        *((name, ctypes.c_uint32) for name in ("bits_per_pixel", "grayscale")),
        *((name, KernelField) for name in ("red", "green", "blue", "transp")),
        ("rest", ctypes.c_uint32 * 20),
    ]


class KernelFix(ctypes.Structure):
    """struct fb_fix_screeninfo"""

    _fields_ = [
        ("id", ctypes.c_char * 16),
        ("smem_start", ctypes.c_ulong),
        *((name, ctypes.c_uint32) for name in ("smem_len", "type", "type_aux", "visual")),
        *((name, ctypes.c_uint16) for name in ("xpanstep", "ypanstep", "ywrapstep")),
        ("line_length", ctypes.c_uint32),
        ("mmio_start", ctypes.c_ulong),
        *((name, ctypes.c_uint32) for name in ("mmio_len", "accel")),
        ("capabilities", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16 * 2),
    ]


@st.composite
def pictures(draw):
    width, height = draw(st.integers(1, 20)), draw(st.integers(1, 8))
    dots = draw(st.lists(st.integers(0, 1), min_size=width * height, max_size=width * height))
    return Bitmap(width, height, bytes(dots))


formats = st.sampled_from([*USUAL_FORMATS.values(), PixelFormat(24, Field(0, 8), Field(8, 8), Field(16, 8))])


@pytest.mark.parametrize(
    ("bits", "colour", "pixel"),
    [
        (32, ORANGE, "0080ff00"),
        (16, ORANGE, "00fc"),  # rrrrrggggggbbbbb = 11111 100000 00000
        (16, (0, 0, 255), "1f00"),
        (8, ORANGE, "ff"),
        (8, (0, 0, 0), "00"),
    ],
)
def test_a_pixel_has_the_bytes_of_its_colour(bits, colour, pixel):
    assert USUAL_FORMATS[bits].pixel(colour).hex() == pixel


@given(picture=pictures(), pixel_format=formats)
def test_a_picture_is_read_back_from_its_pixels(picture, pixel_format):
    rows = rows_of(picture, pixel_format, ORANGE)
    assert {len(row) for row in rows} == {picture.width * pixel_format.size}
    assert picture_of(rows, pixel_format) == picture


@pytest.mark.parametrize(
    ("bits", "field"), [(15, Field(0, 5)), (16, Field(12, 5)), (32, Field(0, 10)), (32, Field(-1, 8))]
)
def test_a_pixel_that_is_none_is_refused(bits, field):
    with pytest.raises(ValueError, match=r"bits"):
        PixelFormat(bits, field)


def _screen(bits, red, green, blue, *, xoffset=0, yoffset=0):
    var = KernelVar(xres=800, yres=480, xres_virtual=800, yres_virtual=960, xoffset=xoffset, yoffset=yoffset)
    var.bits_per_pixel, var.red, var.green, var.blue = bits, KernelField(*red), KernelField(*green), KernelField(*blue)
    fix = KernelFix(id=b"simple", smem_len=4096 * 960, line_length=4096)
    return bytes(var), bytes(fix)


def test_what_the_kernel_tells_of_a_screen():
    told = _screen(32, (16, 8), (8, 8), (0, 8), xoffset=2, yoffset=480)
    geometry = Geometry(800, 480, 4096, USUAL_FORMATS[32], 480 * 4096 + 2 * 4)
    assert parse_geometry(*told) == (geometry, 4096 * 960)
    assert parse_geometry(*_screen(16, (11, 5), (5, 6), (0, 5)))[0].pixel_format == USUAL_FORMATS[16]
    assert parse_geometry(*_screen(8, (0, 8), (0, 8), (0, 8)))[0].pixel_format == USUAL_FORMATS[8]
    assert parse_geometry(*_screen(8, (5, 3), (2, 3), (0, 2)))[0].pixel_format.pixel((255, 0, 255)) == b"\xe3"


def test_a_screen_of_a_depth_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="pixels of 15 bits"):
        parse_geometry(*_screen(15, (10, 5), (5, 5), (0, 5)))


@pytest.fixture
def screen(tmp_path):
    """`screen(bits, stride, height)`: a plain file as a screen, and the framebuffer on it."""
    opened = []

    def make(bits, stride, height):
        path = tmp_path / "fb0"
        path.write_bytes(bytes(stride * height))
        opened.append(Framebuffer(str(path), bits, stride))
        return path, opened[-1]

    yield make
    for framebuffer in opened:
        framebuffer.close()


@pytest.mark.parametrize(("bits", "stride"), [(8, 20), (16, 40), (32, 76)])
def test_a_picture_goes_to_its_place_and_nowhere_else(screen, bits, stride):
    path, framebuffer = screen(bits, stride, 6)
    picture = Bitmap(3, 2, bytes((1, 0, 1, 0, 1, 0)))
    framebuffer.draw(picture, 4, 3, ORANGE)
    size = bits // 8
    pixel = USUAL_FORMATS[bits].pixel(ORANGE)
    expected = bytearray(stride * 6)
    for x, y in ((4, 3), (6, 3), (5, 4)):
        expected[y * stride + x * size : y * stride + x * size + size] = pixel
    assert path.read_bytes() == expected
    assert framebuffer.read(3, 2, 4, 3) == picture
    assert framebuffer.read(3, 2, 3, 3) == Bitmap(3, 2, bytes((0, 1, 0, 0, 0, 1)))


def test_what_does_not_fit_is_refused(screen):
    _, framebuffer = screen(32, 76, 6)
    framebuffer.check_fits(19, 6, 0, 0)
    for place in ((20, 6, 0, 0), (19, 7, 0, 0), (10, 2, 10, 0), (10, 2, 0, 5)):
        with pytest.raises(OSError, match="is not inside 19x6"):
            framebuffer.check_fits(*place)


def test_a_plain_file_needs_bits_and_stride(tmp_path):
    path = tmp_path / "fb0"
    path.write_bytes(bytes(64))
    with pytest.raises(OSError, match="it is no framebuffer; for a plain file give the options bits and stride"):
        Framebuffer(str(path), None, None)


def test_an_empty_file_and_no_file_are_refused(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(OSError, match="0 bytes of pixels"):
        Framebuffer(str(tmp_path / "empty"), 32, 64)
    with pytest.raises(OSError, match="No such file"):
        Framebuffer(str(tmp_path / "none"), 32, 64)


def test_a_screen_that_was_replaced_is_noticed(screen):
    path, framebuffer = screen(32, 64, 4)
    framebuffer.watch()
    path.rename(path.with_name("old"))
    with pytest.raises(OSError, match="No such file"):
        framebuffer.watch()
    path.write_bytes(bytes(256))
    with pytest.raises(OSError, match="another device has its name"):
        framebuffer.watch()
