"""The OSDP reader's driver in virtual time: its key, how a reader is given one, and what is left when that breaks."""

import asyncio

import pytest

from firmware_bridge.capabilities import (
    DeviceTimeout,
    HealthChanged,
    Indication,
)
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.codecs.osdp_secure import SCBK_D
from firmware_bridge.secrets import SecretError
from tests.unit.bridge.osdp_driver.readers import KEY


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "it has no key: put its 16 bytes into"),
        (b"too short", "is no key"),
        (SCBK_D, "the default key, which everybody knows"),
        (bytes(16), "another key than the key of this station"),
    ],
)
def test_a_reader_without_the_right_key_is_offline_with_the_reason_until_it_is_mended(
    run_virtual, readers, running, secrets, caplog, kept, why
):
    reader = readers.add(key=KEY)
    if kept is not None:
        secrets.write("k", kept)

    async def scenario():
        async with running(key="k") as (driver, told):
            await told.until(lambda: told.health)
            assert told.health == ["offline"]
            assert why in told.of(HealthChanged)[0].detail
            with pytest.raises(DeviceTimeout, match="key"):
                await driver.indicate(Indication.READY)
            await asyncio.sleep(20)
            assert told.health == ["offline"]
            assert reader.face.polls == 0
            secrets.write("k", KEY.hex().encode() + b"\n")
            await told.until(lambda: told.health == ["offline", "online"])
            assert "Secure Channel" in told.of(HealthChanged)[-1].detail

    run_virtual(scenario())
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert why in said[0]


def test_a_key_is_kept_before_it_is_sent_and_settled_when_it_is_used(run_virtual, readers, running, secrets, tmp_path):
    reader = readers.add()
    kept_when_sent = []

    def watch(frame):
        if readers.heard[-1][1].code == CommandCode.KEYSET:
            kept_when_sent.append((secrets.read("k.pending"), secrets.read("k")))
        return frame

    async def scenario():
        readers.spoil = watch
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            assert told.health == ["online"]

    run_virtual(scenario())
    key = secrets.read("k")
    assert kept_when_sent == [(key, None)]
    assert reader.key == key
    assert key not in (None, SCBK_D)


@pytest.mark.parametrize("lost", ["the command", "the answer"])
def test_a_plug_that_is_pulled_at_the_key_leaves_a_reader_that_can_be_had_again(
    run_virtual, readers, running, secrets, port, lost
):
    reader = readers.add()

    def pull(frame):
        if readers.heard[-1][1].code == CommandCode.KEYSET:
            readers.muted.add(1)
            if lost == "the command":
                reader.key = None
            return None
        return frame

    async def scenario():
        readers.spoil = pull
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health == ["offline"])
        assert secrets.read("k") is None

    async def the_next_life():
        readers.spoil = lambda frame: frame
        readers.muted.clear()
        reader.power_up()
        line = type(port)()
        readers.move_to(line)
        async with running(key="k", install_mode=True, line=line) as (_, told):
            await told.until(lambda: told.health)
            assert told.health == ["online"]

    run_virtual(scenario())
    pending = secrets.read("k.pending")
    assert (reader.key == pending) == (lost == "the answer")
    run_virtual(the_next_life())
    assert reader.key == pending == secrets.read("k")


def test_install_mode_gives_no_key_away_once_there_is_one(run_virtual, readers, running, secrets):
    secrets.write("k", KEY)
    stranger = readers.add()

    async def scenario():
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            await asyncio.sleep(30)
            assert told.health == ["offline"]
            assert "KEYSET" not in readers.codes()
            assert stranger.key is None

    run_virtual(scenario())


def test_a_key_that_cannot_be_kept_is_never_sent(run_virtual, readers, running, secrets, monkeypatch):
    readers.add()

    def full(name, data):
        raise SecretError(f"secret {name!r} cannot be kept: No space left on device; check the disk")

    monkeypatch.setattr(secrets, "write", full)

    async def scenario():
        async with running(key="k", install_mode=True) as (_, told):
            await told.until(lambda: told.health)
            assert "No space left" in told.of(HealthChanged)[0].detail
            assert readers.codes() == []

    run_virtual(scenario())
