"""The Secure Channel: annex E of SIA OSDP 2.2, AES vectors of NIST, and what an attacker may send."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import osdp, osdp_secure
from firmware_bridge.codecs.osdp import SCS_15, SCS_16, SCS_17, SCS_18, Frame, SecurityBlock
from firmware_bridge.codecs.osdp_secure import SCBK_D, SecureChannel, SecurityError, SessionKeys, derive

# Annex E: the default key, and these random numbers.
RANDOM_A = bytes.fromhex("b0b1b2b3b4b5b6b7")
RANDOM_B = bytes.fromhex("a0a1a2a3a4a5a6a7")

# NIST SP 800-38A, F.2.1 (CBC-AES128).
NIST_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NIST_IV = bytes(range(16))
NIST_PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
NIST_CIPHER = bytes.fromhex("7649abac8119b246cee98e9b12e9197d")


def test_keys_and_proofs_of_the_specification():
    keys = derive(SCBK_D, RANDOM_A)
    assert keys.encryption.hex() == "bf8dc2a8329acb8c67c6d0cd9a451682"
    assert keys.mac1.hex() == "5e86c676603bdee2d8beafe178637332"
    assert keys.mac2.hex() == "6fda86e857777e81132035758239172e"
    assert osdp_secure.client_cryptogram(keys, RANDOM_A, RANDOM_B).hex() == "fde5d2f428ec16312471ea3c02bd7796"
    proof = osdp_secure.server_cryptogram(keys, RANDOM_A, RANDOM_B)
    assert proof.hex() == "26d3356e07762d262801fc8e6665a891"
    assert osdp_secure.initial_mac(keys, proof).hex() == "b2a30057eb98ba2229ec1f875662b524"


def test_a_key_of_a_wrong_size_is_no_key():
    with pytest.raises(ValueError, match="16 bytes"):
        derive(bytes(15), RANDOM_A)


def test_data_are_aes_cbc_as_nist_has_it_and_padded():
    keys = SessionKeys(NIST_KEY, NIST_KEY, NIST_KEY)
    inverted = bytes(byte ^ 0xFF for byte in NIST_IV)
    sealed = SecureChannel(keys, inverted).seal(Frame(1, False, 1, 0x68, NIST_PLAIN))
    assert sealed.data[:16] == NIST_CIPHER
    assert len(sealed.data) == 32
    # 00..0e and the end mark in one block, OpenSSL's own answer.
    sealed = SecureChannel(keys, inverted).seal(Frame(1, False, 1, 0x68, bytes(range(15))))
    assert sealed.data.hex() == "c5311f3d23d086ea86f5ee7f85247b40"


def test_keys_are_in_no_repr():
    assert repr(derive(SCBK_D, RANDOM_A)) == "SessionKeys()"


def ends():
    """A panel and a reader that have just shaken hands."""
    keys = derive(SCBK_D, RANDOM_A)
    mac = osdp_secure.initial_mac(keys, osdp_secure.server_cryptogram(keys, RANDOM_A, RANDOM_B))
    return SecureChannel(keys, mac), SecureChannel(keys, mac)


def over_the_wire(frame):
    return osdp.decode_frame(osdp.encode_frame(frame))


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=70), st.binary(max_size=70)), max_size=6))
def test_commands_and_replies_pass_in_turn(exchanges):
    panel, reader = ends()
    sequence = 0
    for code, said, answered in exchanges:
        sequence = osdp.next_sequence(sequence)
        command = Frame(5, False, sequence, code, said)
        assert reader.open(over_the_wire(panel.seal(command))) == command
        reply = Frame(5, True, sequence, code, answered)
        assert panel.open(over_the_wire(reader.seal(reply))) == reply


def test_only_what_has_data_is_encrypted():
    panel, reader = ends()
    kinds = [
        panel.seal(Frame(1, False, 1, 0x60)).security.kind,
        reader.seal(Frame(1, True, 1, 0x40)).security.kind,
        panel.seal(Frame(1, False, 2, 0x68, b"x")).security.kind,
        reader.seal(Frame(1, True, 2, 0x50, b"x")).security.kind,
    ]
    assert kinds == [SCS_15, SCS_16, SCS_17, SCS_18]


CARD = Frame(1, True, 1, 0x50, bytes.fromhex("00011a00a1b2c300"))


def polled():
    """A panel that has just polled, and the reader's end at that moment."""
    panel, reader = ends()
    reader.open(panel.seal(Frame(1, False, 1, 0x60)))
    return panel, reader


def sealed_card():
    return polled()[1].seal(CARD)


@given(st.data())
def test_a_frame_with_any_bit_changed_is_refused(data):
    panel, reader = polled()
    sealed = reader.seal(CARD)
    part = data.draw(st.sampled_from(["data", "mac"]))
    value = bytearray(getattr(sealed, part))
    at = data.draw(st.integers(0, 8 * len(value) - 1))
    value[at // 8] ^= 1 << at % 8
    with pytest.raises(SecurityError, match="MAC"):
        panel.open(replace(sealed, **{part: bytes(value)}))
    # It was not taken: the true one still fits.
    assert panel.open(sealed) == CARD


@pytest.mark.parametrize(
    "forged",
    [
        replace(sealed_card(), address=2),
        replace(sealed_card(), code=0x53),
        replace(sealed_card(), sequence=2),
        replace(sealed_card(), crc=False),
        replace(sealed_card(), security=SecurityBlock(SCS_16)),
        replace(sealed_card(), security=None, mac=b""),
        replace(sealed_card(), security=SecurityBlock(SCS_17)),
        replace(sealed_card(), is_reply=False),
        replace(sealed_card(), mac=b""),
        CARD,
    ],
)
def test_a_frame_that_was_made_into_another_is_refused(forged):
    panel, _ = polled()
    with pytest.raises(SecurityError):
        panel.open(forged)


def test_a_recorded_answer_fits_no_other_moment():
    panel, reader = polled()
    recorded = reader.seal(CARD)
    assert panel.open(recorded) == CARD
    reader.open(panel.seal(Frame(1, False, 2, 0x60)))
    for again in (recorded, replace(recorded, sequence=2)):
        with pytest.raises(SecurityError):
            panel.open(again)


def test_a_recorded_answer_fits_no_other_session():
    keys = derive(SCBK_D, bytes(8))
    panel = SecureChannel(keys, osdp_secure.initial_mac(keys, osdp_secure.server_cryptogram(keys, bytes(8), RANDOM_B)))
    panel.seal(Frame(1, False, 1, 0x60))
    with pytest.raises(SecurityError):
        panel.open(sealed_card())


def test_encrypted_data_without_an_end_are_refused():
    panel, reader = polled()
    # One that has the keys and pads wrongly: whole blocks without the end mark, and half a block.
    forger = SecureChannel(reader._keys, reader._reply_mac)
    forger._command_mac = reader._command_mac
    for data in (bytes(16), bytes(15)):
        frame = Frame(1, True, 1, 0x50, data, SecurityBlock(SCS_18), bytes(4))
        mac = forger._mac_of(frame)[:4]
        with pytest.raises(SecurityError, match=r"whole blocks|without an end"):
            panel.open(replace(frame, mac=mac))


def test_a_secured_refusal_may_come_unencrypted():
    panel, reader = polled()
    frame = Frame(1, True, 1, 0x41, b"\x03", SecurityBlock(SCS_16), bytes(4))
    mac = reader._mac_of(frame)[:4]
    assert panel.open(replace(frame, mac=mac)) == Frame(1, True, 1, 0x41, b"\x03")
