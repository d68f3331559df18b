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


@pytest.fixture(scope="module")
def pairs(alphasignpy_python):
    """(command, address, the oracle's packet)."""
    rng = random.Random(11)
    asked = [(command, f"{rng.randrange(256):02X}") for command in commands(rng)]
    specs = json.dumps([(address, oracle_spec(command)) for command, address in asked])
    done = subprocess.run(
        [alphasignpy_python, ORACLE], input=specs, capture_output=True, text=True, check=True, timeout=60
    )
    packets = [bytes.fromhex(packet) for packet in json.loads(done.stdout)]
    return [(command, address, packet) for (command, address), packet in zip(asked, packets, strict=True)]


def test_our_packets_are_the_oracles_byte_for_byte(pairs):
    for command, address, packet in pairs:
        assert alpha.encode(command, address=address) == packet


def test_the_oracles_packets_are_read_as_the_commands_they_are(pairs):
    for command, address, packet in pairs:
        parser = alpha.PacketParser()
        assert parser.feed(packet) == [alpha.Packet("Z", address, (command,))]
        assert (parser.discarded, parser.bad_packets) == (0, 0)
