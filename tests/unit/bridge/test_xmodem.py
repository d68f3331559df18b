"""XMODEM-1k, both ends against each other, against vectors, and against a bad line."""

import binascii
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.flashing.xmodem import (
    ACK,
    CAN,
    EOT,
    NAK,
    SOH,
    STX,
    SUB,
    TRIES_MAX,
    Receiver,
    Sender,
    TransferError,
    frame,
)
from tests.fuzz.targets import xmodem as fuzz

FILE = bytes(range(256)) * 9  # 2304 bytes: two large blocks and a rest of 256
C = b"C"
FAR_MORE = 1 << 20


def carry(sender, receiver, *, lose=lambda data: data):
    """Both ends until both are done; what is lost shows as silence. The number of turns is bounded."""
    to_sender, to_receiver = receiver.start(), b""
    for _ in range(10_000):
        if sender.done and receiver.done:
            return
        heard = lose(to_sender)
        to_receiver = sender.heard(heard) if heard else b"" if sender.done else sender.silent()
        heard = lose(to_receiver)
        to_sender = receiver.heard(heard) if heard else b""
        if not to_sender and not receiver.done:
            to_sender = receiver.silent()
    raise AssertionError("it never ended")


def test_a_block_is_framed_as_the_reference_draws_it():
    block = frame(1, b"123456789")
    assert block[:3] == bytes((SOH, 1, 254))
    assert block[3:12] == b"123456789"
    assert set(block[12:131]) == {SUB}
    assert len(block) == 133
    assert int.from_bytes(block[-2:], "big") == binascii.crc_hqx(block[3:-2], 0)
    assert binascii.crc_hqx(b"123456789", 0) == 0x31C3  # the published check value of CRC-16/XMODEM
    assert frame(256, bytes(1024))[:3] == bytes((STX, 0, 255))


def test_a_file_goes_in_large_blocks_and_a_small_rest():
    sender = Sender(FILE[: 1024 + 100])
    assert sender.heard(C)[0] == STX
    assert sender.sent == 0
    assert sender.heard(bytes((ACK,)))[0] == SOH
    assert sender.sent == 1024
    assert sender.heard(bytes((ACK,))) == bytes((EOT,))
    assert sender.sent == 1024 + 100
    assert not sender.done
    assert sender.heard(bytes((ACK,))) == b""
    assert sender.done


def test_a_block_that_was_not_taken_goes_again_and_not_for_ever():
    sender = Sender(FILE)
    first = sender.heard(C)
    for _ in range(TRIES_MAX - 1):
        assert sender.heard(bytes((NAK,))) == first
    with pytest.raises(TransferError, match="did not take") as told:
        sender.heard(bytes((NAK,)))
    assert told.value.farewell == bytes((CAN, CAN))


def test_a_receiver_that_never_comes_is_given_up():
    sender = Sender(FILE)
    for _ in range(TRIES_MAX - 1):
        assert sender.silent() == b""
    with pytest.raises(TransferError, match="does not answer"):
        sender.silent()


def test_a_second_invitation_that_crossed_the_first_block_changes_nothing():
    sender = Sender(FILE)
    assert sender.heard(C)[0] == STX
    assert sender.heard(C) == b""


def test_either_end_gives_up_at_two_cancels_and_not_at_one():
    sender, receiver = Sender(FILE), Receiver(FAR_MORE)
    sender.heard(C)
    assert sender.heard(bytes((CAN, NAK)))  # one alone is noise
    with pytest.raises(TransferError, match="receiver gave up"):
        sender.heard(bytes((CAN, CAN)))
    with pytest.raises(TransferError, match="sender gave up"):
        receiver.heard(bytes((CAN, CAN)))


def test_a_block_that_comes_twice_counts_once():
    receiver = Receiver(FAR_MORE)
    block = frame(1, b"a" * 128)
    assert receiver.heard(block) == bytes((ACK,))
    assert receiver.heard(block) == bytes((ACK,))
    assert receiver.data == b"a" * 128


def test_a_block_out_of_order_ends_it():
    receiver = Receiver(FAR_MORE)
    with pytest.raises(TransferError, match="block 2 came instead of 1"):
        receiver.heard(frame(2, b"a"))


def test_a_file_that_is_too_long_is_not_kept():
    receiver = Receiver(200)
    receiver.heard(frame(1, b"a" * 128))
    with pytest.raises(TransferError, match="more than 200 bytes"):
        receiver.heard(frame(2, b"a" * 128))


def test_nothing_is_no_file():
    with pytest.raises(ValueError, match="nothing"):
        Sender(b"")


@given(st.binary(min_size=1, max_size=9000))
def test_what_is_sent_arrives(data):
    sender, receiver = Sender(data), Receiver(FAR_MORE)
    carry(sender, receiver)
    assert receiver.data[: len(data)] == data
    assert set(receiver.data[len(data) :]) <= {SUB}
    assert sender.sent == len(data)


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 2**32))
def test_a_line_that_loses_and_garbles_delivers_the_file_or_says_that_it_did_not(data, seed):
    rng = random.Random(seed)

    def lose(out):
        luck = rng.random()
        if not out or luck > 0.3:
            return out
        if luck < 0.1:
            return b""
        at = rng.randrange(len(out))
        return out[:at] + bytes((out[at] ^ 1 << rng.randrange(8),)) + out[at + 1 :]

    sender, receiver = Sender(data), Receiver(FAR_MORE)
    try:
        carry(sender, receiver, lose=lose)
    except TransferError:
        return
    # A flipped bit can make an EOT or an ACK of a control byte, which XMODEM does not protect: the length in the
    # image's header and its digest do. What did arrive is right.
    assert bytes(receiver.data[: len(data)]) == data[: len(receiver.data)]


@given(st.lists(st.binary(max_size=1200), max_size=20))
def test_garbage_is_bounded_and_harmless(pieces):
    sender, receiver = Sender(FILE), Receiver(4096)
    for piece in pieces:
        for end in (sender, receiver):
            try:
                end.heard(piece)
            except TransferError:
                return
    assert len(receiver.data) <= 4096


@pytest.mark.parametrize("seed", fuzz.SEEDS)
def test_the_fuzz_target_takes_its_seeds(seed):
    fuzz.target(seed)
