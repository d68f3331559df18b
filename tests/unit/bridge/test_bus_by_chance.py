"""The bus under whatever may come: requests, silences, noise and a line that goes, in any order.

Devices answer by a script that hypothesis writes; time is virtual. What must always hold: nobody speaks while
an answer is due, the gap is kept, every request ends by its deadline, and a lock request that finds the line open
waits for at most one transaction.
"""

import asyncio
import random
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import DeviceError, Priority
from firmware_bridge.exchange import DevicePolicy, Exchange

GAP_S = 0.004
TIMEOUT_S = 0.05
ANSWER_S = 0.01
FRAME = b"ask!"
POLICY = DevicePolicy(timeout_s=TIMEOUT_S, retries=1, quarantine_after=2, quarantine_s_first=0.1, quarantine_s_max=0.4)
# One attempt of a mute device, with its frame and the gaps around it.
LONGEST_TRANSACTION_S = 4 * 0.001 + TIMEOUT_S + 2 * GAP_S + 1e-6

priorities = st.sampled_from((Priority.LOCK, Priority.READER, Priority.ALARM, Priority.TELEMETRY))
asks = st.tuples(st.just("ask"), st.sampled_from(("a", "b", "c")), priorities, st.floats(0.01, 1.0))
waits = st.tuples(st.just("wait"), st.floats(0.0, 0.3))
others = st.sampled_from((("noise",), ("lose",), ("open",), ("clear",)))
steps = st.lists(st.one_of(asks, asks, waits, others), min_size=1, max_size=40)
behaviours = st.lists(st.sampled_from(("answer", "answer", "mute", "late", "garbage")), max_size=40)


class OneByte:
    def __init__(self):
        self.discarded = 0

    def feed(self, data):
        self.discarded += data.count(b"?")
        return data if data.endswith(b".") else None


class Watched:
    """The port's side: plays the behaviours and notes when an answer was due."""

    def __init__(self, port, behaviours):
        self._port = port
        self._behaviours = iter(behaviours)
        self.busy_until = 0.0
        port.on_write = self._hear

    def _hear(self, data):
        now = asyncio.get_running_loop().time()
        assert now >= self.busy_until - 1e-9, "somebody spoke while an answer was due"
        sent = now + self._port.wire_s(len(data))
        behaviour = next(self._behaviours, "answer")
        if behaviour == "answer":
            self._port.answer(b"ok.", sent - now + ANSWER_S)
            self.busy_until = sent + ANSWER_S + GAP_S
            return
        if behaviour == "late":
            late_s = sent - now + TIMEOUT_S * 1.5
            # A late answer may end the retry of the same question: then nobody is due any more.
            asyncio.get_running_loop().call_later(late_s, self._free)
            self._port.answer(b"ok.", late_s)
        if behaviour == "garbage":
            self._port.answer(b"??", sent - now + ANSWER_S)
        self.busy_until = sent + TIMEOUT_S

    def _free(self):
        self.busy_until = min(self.busy_until, asyncio.get_running_loop().time() + GAP_S)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, behaviours=behaviours, seed=st.integers(0, 99))
def test_whatever_comes_the_line_stays_in_order(run_virtual, port, clock, steps, behaviours, seed):
    async def scenario():
        loop = asyncio.get_running_loop()
        port.written.clear()
        bus = Bus(port, gap_s=GAP_S, clock=clock, rng=random.Random(seed))
        watched = Watched(port, behaviours)
        for name in ("a", "b", "c"):
            bus.attach(name, POLICY, lambda health, detail: None)
        port.open()
        is_open = True
        asked = []

        async def ask(device, priority, deadline_s):
            began = loop.time()
            with suppress(DeviceError):
                await bus.request(device, Exchange((FRAME,), OneByte), priority=priority, deadline_s=deadline_s)
            assert loop.time() - began <= deadline_s + 1e-6

        for step in steps:
            match step:
                case ("ask", device, priority, deadline_s):
                    asked.append(asyncio.create_task(ask(device, priority, deadline_s)))
                case ("wait", seconds):
                    await asyncio.sleep(seconds)
                case ("noise",):
                    port.hear(b"?", loop.time())
                case ("lose",) if is_open:
                    is_open = False
                    port.lose("pulled")
                    watched.busy_until = 0.0
                case ("open",) if not is_open:
                    is_open = True
                    port.open()
                case ("clear",):
                    bus.keep_clear(0.1)
        await asyncio.gather(*asked)

    run_virtual(scenario())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    load=st.lists(st.tuples(st.sampled_from(("a", "b", "c")), st.floats(0.0, 0.1)), max_size=20),
    behaviours=behaviours,
    at_s=st.floats(0.0, 0.5),
)
def test_a_lock_request_is_on_the_wire_after_one_transaction_at_most(run_virtual, port, clock, load, behaviours, at_s):
    async def scenario():
        loop = asyncio.get_running_loop()
        port.written.clear()
        bus = Bus(port, gap_s=GAP_S, clock=clock, rng=random.Random(1))
        Watched(port, behaviours)
        for name in ("a", "b", "c", "lock"):
            bus.attach(name, POLICY, lambda health, detail: None)
        port.open()

        async def burden(device, after_s):
            await asyncio.sleep(after_s)
            with suppress(DeviceError):
                await bus.request(device, Exchange((FRAME,), OneByte), priority=Priority.READER, deadline_s=2)

        burdens = [asyncio.create_task(burden(device, after_s)) for device, after_s in load]
        await asyncio.sleep(at_s)
        began = loop.time()
        release = Exchange((b"open",), OneByte)
        with suppress(DeviceError):
            await bus.request("lock", release, priority=Priority.LOCK, deadline_s=2)
        first = next(at for at, data in port.written if data == b"open")
        assert first - began <= LONGEST_TRANSACTION_S
        await asyncio.gather(*burdens)

    run_virtual(scenario())
