"""What a camera notices, by a pull point: motion, tamper and digital inputs, as InputChanged.

```
 CreatePullPointSubscription (lives LIFETIME_S) --> PullMessages, PullMessages, ... --> Renew every half life
        ^------------------- refused: the camera forgot it, or started anew ----------------------'
```
The state that comes with a new subscription is told whole, afterwards only changes are. Several rules or regions may
see the same: an input is active while any of them is. A subscription that is not renewed ends by itself, so none is
left in the camera when the station goes.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping

from firmware_bridge.capabilities import DeviceRefused, InputChanged
from firmware_bridge.codecs import onvif
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.drivers.onvif_calls import Calls

log = logging.getLogger(__name__)

LIFETIME_S = 60
PULL_S = 5  # the camera holds a request for so long; an event ends it at once
MESSAGES_MAX = 32
# Some cameras do not hold a request: they answer at once that nothing happened. And none is asked faster than this.
EMPTY_PAUSE_S, PAUSE_S = 1.0, 0.1
# Inputs, and rules behind one of them, that are kept; a camera has a handful.
INPUTS_MAX = 64
SOURCES_MAX = 64

MOTION, TAMPER = "motion", "tamper"
# ONVIF Imaging and Analytics 23.06 name these; the rule's name is in the source, not in the topic.
TOPICS = {
    "VideoSource/MotionAlarm": MOTION,
    "RuleEngine/CellMotionDetector/Motion": MOTION,
    "RuleEngine/MotionRegionDetector/Motion": MOTION,
    "RuleEngine/TamperDetector/Tamper": TAMPER,
    "RuleEngine/CellMotionDetector/Tamper": TAMPER,  # TP-Link
    "VideoSource/GlobalSceneChange/ImagingService": TAMPER,
    "VideoSource/GlobalSceneChange/AnalyticsService": TAMPER,
    "VideoSource/GlobalSceneChange/RecordingService": TAMPER,
}
# Topic of an input -> where its token stands. Hikvision tells an input by both.
INPUT_TOPICS = {"Device/Trigger/DigitalInput": "InputToken", "Device/Trigger/AlarmIn": "AlarmInToken"}


class EventReader:
    """Holds a subscription and tells what comes."""

    def __init__(self, context: DriverContext, calls: Calls, inputs: Mapping[str, str]) -> None:
        self._name = context.name
        self._emit = context.emit
        self._clock = context.clock
        self._calls = calls
        self._names = {token: name for name, token in inputs.items()}
        self._active: dict[str, set[tuple[object, ...]]] = {}  # input -> what sees it now
        self._told: dict[str, bool] = {}
        self._complaint = ""

    async def pull(self, events: str, reach: Callable[[str], str]) -> None:
        """Subscribe and tell events until the camera refuses. `reach` makes a told address one that we reach.

        Raises DeviceTimeout when the camera is gone.
        """
        try:
            await self._pull(reach(events), reach)
        except DeviceRefused as error:
            if str(error) != self._complaint:
                log.warning("%s; its events are tried again", error)
            self._complaint = str(error)

    async def _pull(self, events: str, reach: Callable[[str], str]) -> None:
        subscription = await self._calls.ask(onvif.create_pull_point(LIFETIME_S), onvif.subscription, address=events)
        address = reach(subscription.address)
        self._active.clear()
        self._told.clear()
        renew_s = self._clock.monotonic() + LIFETIME_S / 2
        renews = True
        while True:
            asked_s = self._clock.monotonic()
            pull = onvif.pull_messages(PULL_S, MESSAGES_MAX)
            came = await self._calls.ask(
                pull, onvif.notifications, address=address, subscription=subscription, wait_s=PULL_S
            )
            for each in came:
                self._take(each)
            least_s = PAUSE_S if came else EMPTY_PAUSE_S
            await asyncio.sleep(max(0.0, asked_s + least_s - self._clock.monotonic()))
            self._complaint = ""
            if renews and self._clock.monotonic() >= renew_s:
                renew_s = self._clock.monotonic() + LIFETIME_S / 2
                renews = await self._renew(address, subscription)

    async def _renew(self, address: str, subscription: onvif.Subscription) -> bool:
        """Whether the camera can: for some, pulling renews, and Renew is unknown."""
        try:
            await self._calls.ask(onvif.renew(LIFETIME_S), onvif.nothing, address=address, subscription=subscription)
        except DeviceRefused:
            return False
        return True

    def _take(self, event: onvif.Notification) -> None:
        name = self._input(event)
        if name is None or (name not in self._active and len(self._active) >= INPUTS_MAX):
            return
        sources = self._active.setdefault(name, set())
        seen = (event.topic, event.source)
        value = _state(event)
        if value and len(sources) < SOURCES_MAX:
            sources.add(seen)
        elif value is False:
            sources.discard(seen)
        elif value is None:
            return
        active = bool(sources)
        if self._told.get(name) != active:
            self._told[name] = active
            self._emit(InputChanged(self._name, name, active, self._clock.now(), self._clock.monotonic()))

    def _input(self, event: onvif.Notification) -> str | None:
        if (item := INPUT_TOPICS.get(event.topic)) is None:
            return TOPICS.get(event.topic)
        token = next((value for key, value in event.source if key == item), "")
        return self._names.get(token) or "input_" + (re.sub(r"[^a-z0-9]+", "_", token.lower()).strip("_")[:26] or "0")


def _state(event: onvif.Notification) -> bool | None:
    """The one boolean of an event, under whatever name; a property that is gone is not active."""
    if event.change is onvif.Change.DELETED:
        return False
    return next((value for _, text in event.data if (value := onvif.truth(text)) is not None), None)
