"""How long a device is waited for and when it is asked again, learned from how it answers. Times are given.

```
 timeout   its profile's, until SAMPLES_MIN answers of that kind are known; then mean + 4 deviations, as TCP does,
           never below PATIENCE_S_MIN nor above the profile's; doubled by every question in vain while it is offline.
           Answers that come too late are heard and learned from, so that a slower device is waited for longer; one
           that is slower than its profile allows is waited for shortly, since waiting is in vain
 pause     after a miss: the profile's timeout, doubled by every further one; a device whose last request was in
           vain has one attempt a request
 offline   after `quarantine_after` failed requests: asked again after a jittered pause that doubles to its bound
```
So a device that fell silent costs the others one short timeout, and that ever more rarely.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from firmware_bridge.exchange import DevicePolicy

# An adapter on USB delivers every 16 ms, and a busy station looks a little later still.
PATIENCE_S_MIN = 0.05
SAMPLES_MIN = 4
# Weights of a new sample in the mean and in the deviation: RFC 6298, section 2.
MEAN_WEIGHT, DEVIATION_WEIGHT, DEVIATIONS = 1 / 8, 1 / 4, 4
# Kinds of exchange that are learned of one device; Modbus has eight functions.
KINDS_MAX = 16
PAUSE_DOUBLINGS_MAX = 6


@dataclass(slots=True)
class Learned:
    """Seconds from the end of a request to where the answer begins."""

    mean_s: float
    deviation_s: float
    samples: int = 1

    def add(self, waited_s: float) -> None:
        self.deviation_s += DEVIATION_WEIGHT * (abs(waited_s - self.mean_s) - self.deviation_s)
        self.mean_s += MEAN_WEIGHT * (waited_s - self.mean_s)
        self.samples += 1


@dataclass(slots=True)
class Patience:
    """What is known of one device."""

    policy: DevicePolicy
    learned: dict[str, Learned] = field(default_factory=dict)
    misses: int = 0  # attempts in a row
    failures: int = 0  # requests in a row
    quarantine_s: float = 0.0
    quarantine_until: float = 0.0
    # An answer that comes too late must not be taken for the next one's: after a miss the device is left alone
    # until then, except by lock requests whose answers are told apart.
    settled_until: float = 0.0

    def timeout_s(self, kind: str) -> float:
        """Seconds to wait for an answer to begin; the whole of it, for an exchange of no kind."""
        most = self.policy.timeout_s
        known = self.learned.get(kind)
        if known is None or known.samples < SAMPLES_MIN:
            return most
        if known.mean_s > most:
            return min(most, PATIENCE_S_MIN)
        in_vain = max(0, min(self.failures - self.policy.quarantine_after, PAUSE_DOUBLINGS_MAX))
        expected_s = known.mean_s + DEVIATIONS * known.deviation_s
        return min(most, max(PATIENCE_S_MIN, expected_s) * 2.0**in_vain)

    def answered(self, kind: str, waited_s: float) -> None:
        """It answered in time: it is well."""
        self.learn(kind, waited_s)
        self.reset()

    def learn(self, kind: str, waited_s: float) -> None:
        """It answered, in time or not, after `waited_s`."""
        waited_s = max(0.0, waited_s)
        if kind in self.learned:
            self.learned[kind].add(waited_s)
        elif kind and len(self.learned) < KINDS_MAX:
            self.learned[kind] = Learned(waited_s, waited_s / 2)

    def came_late(self, kind: str, waited_s: float, now: float) -> None:
        """It answered when it was not waited for any more: it is there, and nothing of it is still to come."""
        self.answered(kind, waited_s)
        self.settled_until = now

    def missed(self, now: float) -> None:
        """An attempt was not answered, or not rightly."""
        self.misses += 1
        pause_s = self.policy.timeout_s * 2.0 ** min(self.misses - 1, PAUSE_DOUBLINGS_MAX)
        self.settled_until = now + max(self.policy.timeout_s, min(pause_s, self.policy.quarantine_s_first))

    def failed(self, now: float, rng: random.Random) -> bool:
        """A request failed after all its attempts: whether the device is offline."""
        self.failures += 1
        policy = self.policy
        if self.failures < policy.quarantine_after:
            return False
        self.quarantine_s = min(
            policy.quarantine_s_max, self.quarantine_s * 2 if self.quarantine_s else policy.quarantine_s_first
        )
        self.quarantine_until = now + self.quarantine_s * rng.uniform(0.75, 1.25)
        return True

    @property
    def in_doubt(self) -> bool:
        """Whether as many attempts as a request has were in vain: the next request has one."""
        return self.misses > self.policy.retries

    def reset(self) -> None:
        """Nothing speaks against it any more: it answered, or its line is new."""
        self.misses = self.failures = 0
        self.quarantine_until = self.quarantine_s = 0.0
