"""Our sign packets against alphasignpy's, byte for byte, and theirs read by our parser."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.codecs import alpha_sign as alpha

pytestmark = pytest.mark.contract

ORACLE = Path(__file__).parents[1] / "peers" / "alphasign_oracle.py"
TEXT_CHARACTERS = range(0x20, 0x7E)


def oracle_spec(command):
    match command:
        case alpha.WriteText(label, (part,)):
            return {"text": part.body.hex(), "label": label, "mode": part.mode.name}
        case alpha.WriteDots(label, width, height, dots):
            rows = [dots[at : at + width] for at in range(0, len(dots), width)]
            text = "".join("".join(str(dot) for dot in row) + "\r" for row in rows)
            return {"rows": text, "label": label, "width": width, "height": height}
        case alpha.SetMemory(()):
            return {"clear_memory": True}
        case alpha.SetMemory(files):
            return {"files": [_oracle_file(file) for file in files]}
        case alpha.ReadText(label):
            return {"read_text": label}
        case alpha.ReadDots(label):
            return {"read_dots": label}
        case alpha.ReadMemory():
            return {"read_memory": True}
        case alpha.ReadErrorStatus():
            return {"read_error": True}
        case alpha.ClearErrorStatus():
            return {"clear_error": True}
    raise AssertionError(command)


def _oracle_file(file):
    size = [file.size >> 8, file.size & 0xFF] if file.kind == "D" else file.size
    return [file.label, file.kind, size]


def commands(rng):
    """Every command that the driver sends: the fixed ones, and 30 texts and pictures by chance."""
    yield from (alpha.SetMemory(()), alpha.ReadMemory(), alpha.ReadErrorStatus(), alpha.ClearErrorStatus())
    yield from (alpha.ReadText("A"), alpha.ReadDots("P"))
    yield alpha.WriteText(alpha.PRIORITY_LABEL, (alpha.Part(alpha.Mode.FLASH, b"\x1c3door_sign"),))
    text_file = alpha.File("A", "A", True, 1024, "FFFF")
    yield alpha.SetMemory((text_file, alpha.File("P", "D", True, 16 << 8 | 128, "2000")))
    for _ in range(20):
        body = bytes(rng.choice(TEXT_CHARACTERS) for _ in range(rng.randrange(1, 60)))
        yield alpha.WriteText(rng.choice("ABC"), (alpha.Part(rng.choice(list(alpha.Mode)), body),))
    call = bytes((alpha.SPEED_1, alpha.CALL_PICTURE, ord("P")))
    yield alpha.WriteText("A", (alpha.Part(alpha.Mode.HOLD, call),))
    for width, height in [(1, 1), (255, 31), *((rng.randint(1, 255), rng.randint(1, 31)) for _ in range(10))]:
        dots = bytes(rng.randrange(9) for _ in range(width * height))
        yield alpha.WriteDots(rng.choice("PQRS"), width, height, dots)


def _ask_oracle(python, specs):
    done = subprocess.run(
        [python, ORACLE], input=json.dumps(specs), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pairs(alphasignpy_python):
    """(command, address, the oracle's packet)."""
    rng = random.Random(11)
    asked = [(command, f"{rng.randrange(256):02X}") for command in commands(rng)]
    packets = _ask_oracle(alphasignpy_python, [(address, oracle_spec(command)) for command, address in asked])
    return [
        (command, address, bytes.fromhex(packet)) for (command, address), packet in zip(asked, packets, strict=True)
    ]


def test_a_text_that_our_sign_tells_is_read_by_the_oracle(alphasignpy_python):
    texts = [alpha.Part(mode, f"TEXT {mode.name}".encode()) for mode in alpha.Mode]
    answers = [alpha.encode(alpha.WriteText("A", (part,)), type_code=alpha.TYPE_REPLY).hex() for part in texts]
    read = _ask_oracle(alphasignpy_python, [("00", {"answer": answer}) for answer in answers])
    assert read == [["A", part.mode.name, part.body.hex()] for part in texts]


def test_our_packets_are_the_oracles_byte_for_byte(pairs):
    for command, address, packet in pairs:
        assert alpha.encode(command, address=address) == packet


def test_the_oracles_packets_are_read_as_the_commands_they_are(pairs):
    for command, address, packet in pairs:
        parser = alpha.PacketParser()
        assert parser.feed(packet) == [alpha.Packet("Z", address, (command,))]
        assert (parser.discarded, parser.bad_packets) == (0, 0)
