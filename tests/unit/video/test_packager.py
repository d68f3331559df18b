"""H.264 to fragmented MP4, with FFmpeg (PyAV) as the independent encoder and reader."""

import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec.context import Flags
from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.settings import DIST
from station_agent.video import h264
from station_agent.video.packager import TIMESCALE, fragment, init_segment

FRAME = TIMESCALE // 15
VECTOR = DIST.parent / "src" / "player" / "vector.json"


def encoded(width: int, height: int, frames: int, **options: str) -> tuple[bytes, list[av.Packet]]:
    """Extradata and packets of x264."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.flags |= Flags.global_header
    context.thread_count = 1
    context.options = {"preset": "ultrafast", **options}
    context.open()
    packets: list[av.Packet] = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), number * 20, np.uint8), "rgb24")
        frame.pts = number
        packets += context.encode(frame)
    return bytes(context.extradata or b""), packets + context.encode(None)


def sets_of(extradata: bytes) -> h264.ParameterSets:
    sets = h264.parameter_sets(h264.units_of_extradata(extradata), None)
    assert sets is not None
    return sets


@pytest.mark.parametrize("size", [(64, 48), (640, 360), (322, 182), (1920, 1080)])
@pytest.mark.parametrize("profile", ["baseline", "high"])
def test_the_size_is_read_from_the_parameter_set(size: tuple[int, int], profile: str) -> None:
    extradata, _ = encoded(*size, 0, profile=profile)
    sets = sets_of(extradata)
    assert (sets.width, sets.height) == size
    assert sets.codec == f"avc1.{sets.sps[1:4].hex()}"


def test_interlaced_height_counts_both_fields() -> None:
    extradata, _ = encoded(720, 576, 0, **{"x264-params": "interlaced=1"})
    assert (sets_of(extradata).width, sets_of(extradata).height) == (720, 576)


@pytest.mark.parametrize("options", [{"tune": "zerolatency"}, {"profile": "high", "bf": "2", "preset": "medium"}])
def test_an_independent_reader_plays_what_we_package(options: dict[str, str]) -> None:
    extradata, packets = encoded(320, 180, 8, **options)
    sets = sets_of(extradata)
    first = 5_000_000_000  # a decode time beyond 32 bits: a station runs for long
    file = io.BytesIO(init_segment(sets))
    file.seek(0, io.SEEK_END)
    start_dts = packets[0].dts or 0
    for number, packet in enumerate(packets):
        units = h264.split(bytes(packet), None)
        times = (first + ((packet.dts or 0) - start_dts) * FRAME, ((packet.pts or 0) - (packet.dts or 0)) * FRAME)
        file.write(fragment(number + 1, *times, FRAME, h264.is_key(units), h264.sample(units), 1_795_000_000.25))
    file.seek(0)
    with av.open(file, format="mp4") as container:
        video = container.streams.video[0]
        assert (video.codec_context.width, video.codec_context.height) == (320, 180)
        assert video.time_base == Fraction(1, TIMESCALE)
        frames = list(container.decode(video))
    assert [round(frame.to_ndarray(format="gray8").mean() / 20) for frame in frames] == list(range(8))
    assert np.diff([frame.pts for frame in frames]).tolist() == [FRAME] * 7


def test_a_fragment_says_when_the_station_got_the_frame() -> None:
    data = fragment(1, 90_000, 0, FRAME, True, b"\x00\x00\x00\x01\x65", 1_795_000_000.25)
    assert data[4:8] == b"prft"
    assert data[8] == 1
    assert int.from_bytes(data[16:20], "big") == 1_795_000_000 + 2_208_988_800
    assert int.from_bytes(data[20:24], "big") == 1 << 30
    assert int.from_bytes(data[24:32], "big") == 90_000
    assert len(data) - 5 <= 160  # what one frame costs beyond its own bytes


def test_the_page_reads_fragments_by_the_same_vector() -> None:
    """The player's own test (fmp4.test.ts) reads what is written here."""
    vector = json.loads(VECTOR.read_text())
    sets = h264.ParameterSets.of(bytes.fromhex(vector["sps"]), bytes.fromhex(vector["pps"]))
    assert init_segment(sets).hex() == vector["init"]
    assert sets.avcc.hex() == vector["description"]
    times = round(vector["decodeS"] * TIMESCALE), round((vector["mediaS"] - vector["decodeS"]) * TIMESCALE)
    sample = bytes.fromhex(vector["sample"])
    made = fragment(7, *times, round(vector["durationS"] * TIMESCALE), True, sample, vector["utcMs"] / 1000)
    assert made.hex() == vector["fragment"]


def test_parameter_sets_delimiters_and_filler_are_left_out_of_samples() -> None:
    units = [b"\x09\xf0", b"\x67sps", b"\x68pps", b"\x06sei", b"\x65idr", b"\x0c\xff"]
    assert h264.sample(units) == b"\x00\x00\x00\x04\x06sei\x00\x00\x00\x04\x65idr"
    assert h264.is_key(units)
    assert not h264.is_key([b"\x41slice"])


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.sampled_from([1, 2, 4]))
def test_length_prefixed_units_are_split_as_they_were_joined(units: list[bytes], width: int) -> None:
    joined = b"".join(len(unit).to_bytes(width, "big") + unit for unit in units)
    assert h264.split(joined, width) == units


def test_an_avcc_record_gives_back_its_sets() -> None:
    extradata, _ = encoded(320, 180, 0, profile="high")
    sets = sets_of(extradata)
    assert h264.length_size(sets.avcc) == 4
    assert sets_of(sets.avcc) == sets
    assert h264.parameter_sets([b"\x41slice"], sets) is sets


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_in_another_way_than_saying_so(data: bytes) -> None:
    for width in (None, 1, 4):
        try:
            h264.parameter_sets(h264.split(data, width), None)
        except h264.BadH264:
            continue


@given(st.binary(max_size=60))
def test_a_damaged_parameter_set_is_refused_or_gives_a_size(data: bytes) -> None:
    try:
        sets = h264.ParameterSets.of(b"\x67" + data, b"\x68")
    except h264.BadH264:
        return
    assert 0 < sets.width <= 16384
    assert 0 < sets.height <= 16384
