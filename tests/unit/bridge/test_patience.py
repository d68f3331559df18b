"""How long a device is waited for, what a slow one pays, and when a line babbles: by numbers, without a line."""

import random

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.exchange import DevicePolicy
from firmware_bridge.noise import BABBLE_BYTES, WINDOW_S, NoiseMeter
from firmware_bridge.patience import KINDS_MAX, PATIENCE_S_MIN, SAMPLES_MIN, Patience

POLICY = DevicePolicy(timeout_s=0.3, quarantine_after=3, quarantine_s_first=1.0, quarantine_s_max=8.0)
READ = "READ_INPUT_REGISTERS"


def taught(*waited_s, times=20):
    patience = Patience(POLICY)
    for _ in range(times):
        for one in waited_s:
            patience.answered(READ, one)
    return patience


def test_a_stranger_is_waited_for_as_its_profile_says():
    patience = taught(0.005, times=SAMPLES_MIN - 1)
    assert patience.timeout_s(READ) == 0.3
    patience.answered(READ, 0.005)
    assert patience.timeout_s(READ) < 0.3


def test_a_quick_device_is_waited_for_shortly_but_never_below_the_least():
    assert taught(0.005).timeout_s(READ) == PATIENCE_S_MIN


def test_each_kind_of_exchange_is_learned_by_itself():
    patience = taught(0.005)
    assert patience.timeout_s("WRITE_COIL") == 0.3
    assert patience.timeout_s("") == 0.3
    for number in range(2 * KINDS_MAX):
        patience.answered(f"kind {number}", 0.01)
    assert len(patience.learned) == KINDS_MAX


def test_a_device_that_varies_is_waited_for_longer_than_its_slowest_answer():
    assert 0.12 < taught(0.02, 0.12).timeout_s(READ) <= 0.3


def test_one_late_answer_teaches_more_patience():
    patience = taught(0.005)
    patience.missed(10.0)
    assert patience.timeout_s(READ) == PATIENCE_S_MIN
    patience.learn(READ, 0.2)
    assert patience.timeout_s(READ) > 0.2


def test_a_device_that_is_slower_than_its_profile_allows_is_not_waited_for_in_vain():
    patience = taught(0.005)
    for _ in range(30):
        patience.learn(READ, 0.4)
    assert patience.timeout_s(READ) == PATIENCE_S_MIN
    for _ in range(30):
        patience.learn(READ, 0.1)
    assert 0.1 < patience.timeout_s(READ) <= 0.3


def test_a_device_that_stays_silent_while_offline_is_waited_for_longer_each_time():
    patience = taught(0.005)
    rng = random.Random(1)
    waits = []
    for request in range(7):
        offline = patience.failed(float(request), rng)
        assert offline == (request + 1 >= POLICY.quarantine_after)
        waits.append(patience.timeout_s(READ))
    assert waits == [0.05, 0.05, 0.05, 0.1, 0.2, 0.3, 0.3]
    patience.answered(READ, 0.005)
    assert patience.timeout_s(READ) < 0.1


def test_the_pause_after_a_miss_doubles_to_the_first_quarantine():
    patience = Patience(POLICY)
    pauses = []
    for _ in range(5):
        patience.missed(100.0)
        pauses.append(round(patience.settled_until - 100.0, 3))
    assert pauses == [0.3, 0.6, 1.0, 1.0, 1.0]


@given(st.lists(st.tuples(st.sampled_from(("answered", "learn", "missed", "failed")), st.floats(0, 2)), max_size=60))
def test_whatever_a_device_does_it_is_waited_for_within_bounds(steps):
    patience = Patience(POLICY)
    rng = random.Random(1)
    for step, number in steps:
        match step:
            case "answered":
                patience.answered(READ, number)
            case "learn":
                patience.learn(READ, number)
            case "missed":
                patience.missed(number)
            case "failed":
                patience.failed(number, rng)
                assert patience.quarantine_s <= POLICY.quarantine_s_max
        assert PATIENCE_S_MIN <= patience.timeout_s(READ) <= POLICY.timeout_s


def test_a_line_babbles_from_many_stray_bytes_on_and_is_told_of_once(caplog):
    caplog.set_level("INFO")
    meter = NoiseMeter("air")
    now = 1000.0
    for strays in (0, BABBLE_BYTES - 1, BABBLE_BYTES, 3 * BABBLE_BYTES, BABBLE_BYTES, 0, 0):
        now += WINDOW_S
        meter.stray(strays)
        meter.heard(200, now)
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in told] == ["line air babbles", "line air does not babble any more"]
    assert (meter.stats.heard_bytes, meter.stats.babbling) == (1400, False)
