"""What the searches of a network find: a UHPPOTE controller, an ESPHome node announced by zeroconf, an ONVIF camera."""

import asyncio
import random
import socket
from contextlib import asynccontextmanager

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from firmware_bridge.config import LineConfig
from firmware_bridge.discovery import mdns, onvif, uhppote
from firmware_bridge.discovery.finding import proposed_rows
from firmware_bridge.simulators.onvif_camera import OnvifSimulation
from firmware_bridge.simulators.paced_net import PacedUdp
from firmware_bridge.simulators.uhppote import SERIAL, UhppoteController

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("only_camera_here")]

LOOPBACK = "127.0.0.1"
WAIT_S = 0.4
MDNS_WAIT_S = 2.5  # what was announced a moment ago is not said again for a second (RFC 6762, section 6)


@asynccontextmanager
async def announced(*nodes):
    """Nodes that zeroconf announces on loopback: (name, port, what the TXT record tells)."""
    ears = AsyncZeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
    infos = [
        AsyncServiceInfo(
            mdns.SERVICE,
            f"{name}.{mdns.SERVICE}",
            addresses=[socket.inet_aton(LOOPBACK)],
            port=port,
            server=f"{name}.local.",
            properties=told,
        )
        for name, port, told in nodes
    ]
    try:
        await asyncio.gather(*[await ears.async_register_service(info) for info in infos])
        yield
    finally:
        await ears.async_close()


async def test_esphome_nodes_are_found_by_what_they_announce():
    told = {"friendly_name": "北门\n锁", "board": "esp32dev", "version": "2026.9.1", "api_encryption": "Noise"}
    async with announced(("front-door", 6053, told), ("old-node", 6054, {"version": "2021.1"})):
        found = {finding.line.url: finding for finding in await mdns.search(interface=LOOPBACK, wait_s=MDNS_WAIT_S)}
    door, old = found["esphome://front-door.local"], found["esphome://old-node.local:6054"]
    assert door.title == f"ESPHome node front-door, 北门锁, esp32dev, ESPHome 2026.9.1 at {LOOPBACK}"
    assert door.driver == "esphome_device"
    assert door.options == {"key": "front-door.key"}
    assert "front-door.key" in door.remarks[0]
    assert old.options == {}
    assert "in the clear" in old.remarks[0]


async def test_a_uhppote_controller_is_a_row_for_each_door():
    wire = PacedUdp("doors", rng=random.Random(1))
    controller = UhppoteController(wire)
    wire.open()
    try:
        found = await uhppote.search(interface=LOOPBACK, wait_s=WAIT_S, to=LOOPBACK, port=wire.port)
    finally:
        wire.close()
        controller.stop()
    assert [(finding.address, finding.options) for finding in found] == [
        (door, {"controller": SERIAL}) for door in (1, 2, 3, 4)
    ]
    assert {finding.line for finding in found} == {LineConfig(url=wire.url)}
    assert found[0].title == f"door 1 of UHPPOTE controller {SERIAL} at {LOOPBACK}, firmware 8.92"
    assert proposed_rows(found).count('driver = "uhppote_door"') == 4


async def test_a_camera_is_found_among_noise_and_told_once(simulator_context):
    async with OnvifSimulation(simulator_context) as simulation:
        found = await onvif.search(interface=LOOPBACK, wait_s=WAIT_S)
    (camera,) = [finding for finding in found if finding.line == simulation.line]
    assert camera.title.startswith(f"ONVIF camera Simulated camera, SIM-1 at {LOOPBACK} (urn:uuid:")
    assert camera.driver == "onvif_camera"


@pytest.mark.parametrize("search", [mdns.search, uhppote.search, onvif.search])
async def test_a_search_is_bounded_and_wants_an_interface_that_is_there(search):
    with pytest.raises(ValueError, match="at most 60 s"):
        await search(wait_s=100)
    with pytest.raises(OSError):
        await search(interface="192.0.2.77", wait_s=0.1)


async def test_strangers_who_answer_nonsense_are_no_findings():
    """A peer that answers every probe with noise, much of it."""

    class Babbler(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, sender):
            for noise in (b"", b"\xff" * 64, data, b"<a/>", b"<!DOCTYPE x>" * 99):
                self.transport.sendto(noise, sender)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Babbler, local_addr=(LOOPBACK, 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        assert await onvif.find_cameras(interface=LOOPBACK, wait_s=WAIT_S, group=LOOPBACK, port=port) == []
        assert await uhppote.search(interface=LOOPBACK, wait_s=WAIT_S, to=LOOPBACK, port=port) == []
    finally:
        transport.close()
