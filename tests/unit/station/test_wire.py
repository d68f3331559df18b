"""The contract between station and hub: what it takes and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import base45
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from station_agent.wire import membership_code as codes
from station_agent.wire.commands import Command, SignText
from station_agent.wire.envelope import Batch, Row, Stream
from station_agent.wire.events import KINDS, CommandProgress, EventBody, PointReading, kind_of, parse
from station_agent.wire.kinds import CommandStatus, Reason
from station_agent.wire.link import HubLink
from station_agent.wire.model import UtcTime, Wire
from station_agent.wire.profile import StationProfile
from station_agent.wire.signed import Forged, key_id, open_signed, sign
from station_agent.wire.topics import Down, Up, down, station_of, subject, up

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
KEYS = {key_id(KEY.public_key()): KEY.public_key()}


# --- topics ---


def test_a_topic_and_its_subject_name_their_station() -> None:
    assert up("demo-01", Up.EVENTS) == "yizhan/v1/demo-01/up/events"
    assert subject(down("demo-01", Down.ACK)) == "yizhan.v1.demo-01.down.ack"
    for leaf in Up:
        assert station_of(up("demo-01", leaf)) == ("demo-01", leaf)
        assert station_of(subject(up("demo-01", leaf))) == ("demo-01", leaf)


@pytest.mark.parametrize("station", ["", "a/b", "a.b", "+", "#", "A", "-a", "a" * 33, "a\n", "a b"])
def test_no_station_id_can_leave_its_topic(station: str) -> None:
    with pytest.raises(ValueError, match="not a station id"):
        up(station, Up.STATE)
    assert station_of(f"yizhan/v1/{station}/up/state") is None


@pytest.mark.parametrize(
    "topic",
    ["", "yizhan/v1/demo-01/down/ack", "yizhan/v2/demo-01/up/state", "yizhan/v1/demo-01/up/x", "a/b/c/up/state"],
)
def test_what_no_station_publishes_is_nobodys(topic: str) -> None:
    assert station_of(topic) is None


# --- envelope ---


def row(seq: int) -> Row:
    return Row(seq=seq, at=NOW, boot="b00t0000", mono_ms=1, kind="x", body={})


@pytest.mark.parametrize(("after", "seqs"), [(0, [2, 1]), (0, [1, 1]), (5, [5]), (5, [4, 6])])
def test_rows_that_do_not_ascend_are_no_batch(after: int, seqs: list[int]) -> None:
    with pytest.raises(ValidationError, match="does not follow"):
        Batch(station="s", spool="5p001d00", stream=Stream.EVENTS, after=after, rows=tuple(map(row, seqs)))


def test_a_batch_with_gaps_survives_json() -> None:
    batch = Batch(station="s", spool="5p001d00", stream=Stream.EVENTS, after=41, rows=(row(42), row(47)))
    assert Batch.model_validate_json(batch.model_dump_json()) == batch


# --- events ---


def test_every_kind_of_event_has_a_name_and_back() -> None:
    assert set(KINDS.values()) == set(get_args(EventBody))
    progress = CommandProgress(command="12345678-1234-5678-1234-567812345678", status=CommandStatus.DONE)  # type: ignore[arg-type]
    assert parse(kind_of(progress), progress.model_dump(mode="json")) == progress


def test_a_missing_value_is_none_and_never_a_number_that_json_lacks() -> None:
    fields: dict[str, Any] = {"device": "d", "point": "p", "unit": "", "quality": "good", "at": NOW}
    assert PointReading(value=None, **fields).value is None
    with pytest.raises(ValidationError):
        PointReading(value=float("nan"), **fields)
    with pytest.raises(ValidationError):
        PointReading(value=1.0, **{**fields, "quality": "fine"})


def test_a_boolean_reading_stays_one() -> None:
    reading = PointReading(device="d", point="p", value=True, unit="", quality="good", at=NOW)
    assert PointReading.model_validate_json(reading.model_dump_json()).value is True


class _Timed(Wire):
    at: UtcTime


def test_a_time_without_its_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="UTC offset"):
        _Timed(at=datetime(2026, 1, 1))  # noqa: DTZ001


# --- signed text ---


def test_signed_text_comes_back_and_only_for_its_domain() -> None:
    payload = sign("command", "体 body", KEY)
    assert open_signed("command", payload, KEYS) == "体 body"
    with pytest.raises(Forged, match="does not fit"):
        open_signed("document", payload, KEYS)
    with pytest.raises(Forged, match="unknown key"):
        open_signed("command", payload, {})


@given(place=st.integers(0, 10_000), change=st.integers(1, 127))
def test_no_changed_byte_of_a_signed_text_is_believed(place: int, change: int) -> None:
    payload = bytearray(sign("command", '{"a": 1}', KEY))
    payload[place % len(payload)] ^= change
    try:
        body = open_signed("command", bytes(payload), KEYS)
    except Forged:
        return
    assert body == '{"a": 1}', "another spelling of the same text at most"


# --- membership code ---


def test_a_code_is_81_bytes_and_181_with_its_certificate() -> None:
    phone = ec.generate_private_key(ec.SECP256R1())
    certificate = codes.certify(KEY, 7, "00" * 8, codes.public_bytes(phone), 20_000)
    short = codes.make_code(phone, "00" * 8, NOW, b"12")
    long = codes.make_code(phone, "00" * 8, NOW, b"12", certificate)
    assert len(base45.b45decode(short[3:])) == 81
    assert len(base45.b45decode(long[3:])) == 181
    assert len(long) <= codes.TEXT_LENGTH_MAX
    assert codes.parse(long).certificate == certificate
    assert codes.certificate_bytes(certificate) == base45.b45decode(long[3:])[81:]


def test_a_code_has_one_spelling() -> None:
    text = codes.make_code(KEY, "00" * 8, NOW, b"12")
    for other in (text + "0", text[:-1], " " + text, text + "\r", text.replace("U1:", "u1:"), text.lower()):
        with pytest.raises(codes.CodeRefused) as refused:
            codes.parse(other)
        assert refused.value.reason in (Reason.NOT_A_CODE, Reason.CODE_VERSION)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [(0, 2, Reason.CODE_VERSION), (1, 3, Reason.CODE_ALGORITHM), (1, 0, Reason.CODE_ALGORITHM)],
)
def test_a_code_of_another_time_says_what_it_is(place: int, value: int, reason: Reason) -> None:
    raw = bytearray(base45.b45decode(codes.make_code(KEY, "00" * 8, NOW, b"12")[3:]))
    raw[place] = value
    with pytest.raises(codes.CodeRefused) as refused:
        codes.parse("U1:" + base45.b45encode(bytes(raw)).decode())
    assert refused.value.reason is reason


@given(raw=st.binary(max_size=250))
def test_parsing_never_fails_in_another_way(raw: bytes) -> None:
    for text in ("U1:" + base45.b45encode(raw).decode(), raw.decode("latin-1"), "U1:" + raw.decode("latin-1")):
        try:
            codes.parse(text)
        except codes.CodeRefused:
            continue


@given(
    member=st.binary(min_size=8, max_size=8), seconds=st.integers(0, 2**32 - 1), nonce=st.binary(min_size=2, max_size=2)
)
def test_what_a_phone_writes_the_station_reads(member: bytes, seconds: int, nonce: bytes) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    code = codes.parse(codes.make_code(KEY, member.hex(), at, nonce))
    assert (code.member, code.made_at, code.nonce) == (member.hex(), at, nonce)


# --- commands, link, profile ---


def test_an_order_without_a_reason_is_none() -> None:
    fields: dict[str, Any] = {
        "id": "12345678-1234-5678-1234-567812345678",
        "station": "demo-01",
        "order": {"kind": "door.open"},
        "actor": "op",
        "issued_at": NOW,
        "expires_at": NOW,
    }
    for reason in ("", " ", "x", "  x "):
        with pytest.raises(ValidationError):
            Command(reason=reason, **fields)
    assert Command(reason=" why ", **fields).reason == "why"
    with pytest.raises(ValidationError):
        SignText(text="x" * 121)


def test_a_link_keeps_its_password_out_of_logs() -> None:
    link = HubLink.model_validate(
        {
            "station": "demo-01",
            "hub_url": "https://hub.example",
            "broker": {"host": "h", "port": 1, "username": "u", "password": "geheim"},
            "hub_keys": ["00" * 32],
        }
    )
    assert "geheim" not in repr(link)


def test_an_unknown_key_of_a_profile_is_an_error_with_its_path() -> None:
    with pytest.raises(ValidationError) as caught:
        StationProfile.model_validate({"door": {"lock": "l", "colour": "red"}})
    assert ("door", "colour") in {error["loc"] for error in caught.value.errors()}
