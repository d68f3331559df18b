"""The claim code: what a person types is right, or is found to be wrong before anybody is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station_agent.wire.claim import (
    ALPHABET,
    ID_LENGTH,
    SECRET_BITS,
    BadCode,
    ClaimTicket,
    answer_mac,
    make_code,
    read_code,
    read_ticket,
    request_mac,
    ticket_text,
)

IDS = st.text(ALPHABET, min_size=ID_LENGTH, max_size=ID_LENGTH)
SECRETS = st.binary(min_size=32, max_size=32)
PLACES = st.integers(0, 19)


def characters(code: str) -> list[str]:
    return list(code.replace("-", ""))


def test_a_code_carries_at_least_sixty_bits_nobody_can_guess() -> None:
    assert SECRET_BITS >= 60
    assert len(characters(make_code("K7Q2M", bytes(32)))) == 20


@given(IDS, SECRETS)
def test_a_code_is_read_as_it_was_made_however_it_is_typed(id: str, secret: bytes) -> None:
    code = make_code(id, secret)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert read_code(typed) == read_code(code) == read_code(code.replace("-", ""))
    assert read_code(code).id == id


@given(IDS, SECRETS, SECRETS)
def test_two_codes_have_two_keys(id: str, one: bytes, other: bytes) -> None:
    same = make_code(id, one) == make_code(id, other)
    assert (read_code(make_code(id, one)).key == read_code(make_code(id, other)).key) is same


@given(IDS, SECRETS, PLACES, st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(id: str, secret: bytes, place: int, wrong: str) -> None:
    typed = characters(make_code(id, secret))
    if typed[place] != wrong:
        typed[place] = wrong
        with pytest.raises(BadCode, match="compare it"):
            read_code("".join(typed))


@given(IDS, SECRETS, PLACES, PLACES)
def test_two_characters_that_changed_places_are_always_found(id: str, secret: bytes, a: int, b: int) -> None:
    typed = characters(make_code(id, secret))
    if typed[a] != typed[b]:
        typed[a], typed[b] = typed[b], typed[a]
        with pytest.raises(BadCode, match="changed places"):
            read_code("".join(typed))


@pytest.mark.parametrize(
    ("typed", "says"), [("", "has 20 characters"), ("K7Q2M", "this has 5"), ("U" * 20, "holds no U"), ("é" * 20, "É")]
)
def test_what_is_no_code_is_refused_with_the_reason(typed: str, says: str) -> None:
    with pytest.raises(BadCode, match=says):
        read_code(typed)


def test_neither_code_nor_key_is_shown_by_accident() -> None:
    code = make_code("K7Q2M", b"\7" * 32)
    assert code not in repr(ClaimTicket("https://hub.example", code))
    assert read_code(code).key.hex() not in repr(read_code(code))
    with pytest.raises(BadCode) as raised:
        read_code(code[:-1] + ("0" if code[-1] != "0" else "1"))
    assert code[:10] not in str(raised.value)


def test_the_two_proofs_are_of_this_request_and_this_code_only() -> None:
    code, other = read_code(make_code("K7Q2M", b"\1" * 32)), read_code(make_code("K7Q2M", b"\2" * 32))
    macs = {
        request_mac(code, "csr"),
        request_mac(code, "another csr"),
        request_mac(other, "csr"),
        answer_mac(code, "csr", "body"),
        answer_mac(code, "csr", "another body"),
        answer_mac(code, "csr", ""),
    }
    assert len(macs) == 6


@given(IDS, SECRETS, st.booleans())
def test_a_qr_text_is_read_as_it_was_made(id: str, secret: bytes, pinned: bool) -> None:
    ticket = ClaimTicket("https://hub.example:8443", make_code(id, secret), "0f" * 32 if pinned else None)
    assert read_ticket(ticket_text(ticket)) == ticket
    assert "#" in ticket_text(ticket)  # what follows, no browser sends


@pytest.mark.parametrize(
    "text", ["", "K7Q2M", "https://hub.example/claim", "ftp://hub.example/claim#code=x", "https://hub.example/m#code=x"]
)
def test_another_text_is_no_claim(text: str) -> None:
    with pytest.raises(BadCode, match="no claim of a station"):
        read_ticket(text)


def test_a_qr_text_with_a_wrong_code_or_fingerprint_is_refused() -> None:
    code = make_code("K7Q2M", bytes(32))
    with pytest.raises(BadCode, match="64 hex digits"):
        read_ticket(f"https://hub.example/claim#code={code}&ca=12")
    with pytest.raises(BadCode, match="compare it"):
        read_ticket(f"https://hub.example/claim#code={code[:-1]}{'A' if code[-1] != 'A' else 'B'}")
