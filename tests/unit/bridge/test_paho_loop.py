"""What both MQTT clients share: whom they believe, and a connection that fails before it began."""

import asyncio

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware_bridge.sessions.paho_loop import LoopedClient, tls_context
from tests.harness.certificates import authority


@pytest.fixture
def client():
    return paho.Client(CallbackAPIVersion.VERSION2)


def test_an_authority_may_carry_remarks_in_chinese(tmp_path):
    ca, _, _ = authority(tmp_path, "ours")
    context = tls_context(cadata=f"# 本站的根证书\n{ca.read_text()}")
    assert len(context.get_ca_certs()) == 1


async def test_whatever_a_connect_raises_in_its_thread_is_raised_to_who_waits(client):
    def broken():
        raise RuntimeError("a library with a fault")

    looped = LoopedClient(client)
    with pytest.raises(RuntimeError, match="a library with a fault"):
        await asyncio.wait_for(looped.connect(broken, thread="connect"), 5)
    looped.close()
    assert looped.lost.result() == "closed"


async def test_a_broker_that_closes_at_once_is_no_connection(client):
    looped = LoopedClient(client)
    looped.attach()
    assert await looped.until_lost() == "closed at once"
    looped.close()
