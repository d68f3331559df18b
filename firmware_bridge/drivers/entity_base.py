"""What a lock and a sensor on a node have in common: counts, health, and what its node lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from firmware_bridge.capabilities import DeviceError, DeviceRefused, Health
from firmware_bridge.drivers.base import DriverContext
from firmware_bridge.entities import Entity, Node, State
from firmware_bridge.exchange import DeviceStats, LineLost

log = logging.getLogger(__name__)


class EntityDriver:
    """A device that lives on a node; told by the node what happens."""

    def __init__(self, context: DriverContext, node: Node) -> None:
        self.name = context.name
        self.stats = DeviceStats()
        self._node = node
        self._emit = context.emit
        self._clock = context.clock
        self._tell_health = context.health_listener()
        self._health: tuple[Health, str] | None = None
        node.attach(self)

    def node_changed(self) -> None:
        """Told by the node: it came, went, or has other entities."""
        lacks = self.lacks()
        self._healthy(self._node.down or lacks)

    def lacks(self) -> str:
        """Told to the node: what this device is made of and does not find."""
        try:
            self._look()
        except LookupError as error:
            return str(error.args[0])
        return ""

    def told(self, entity: Entity, state: State) -> None:
        """Told by the node: an entity said something."""

    def garbled(self) -> None:
        """Told by the node: something was not understood."""
        self.stats.bad_frames += 1

    def _look(self) -> None:
        """Find what this device is made of. Raises LookupError saying what the node lacks, or has away."""

    def _healthy(self, why_not: str) -> None:
        """Tell a change of health, and a new reason of an old silence in the log only."""
        health = Health.OFFLINE if why_not else Health.ONLINE
        detail = why_not or f"{self._node.name} is there"
        before, self._health = self._health, (health, detail)
        if before is not None and before[0] is health:
            if before[1] != detail:
                log.info("%s: %s", self.name, detail)
            return
        log.info("%s is %s: %s", self.name, health.value, detail)
        self._tell_health(health, detail)

    def _entity(self, find: Callable[[], Entity]) -> Entity:
        """Raises LineLost while the node is away, DeviceRefused for what it does not have."""
        if self._node.down:
            raise LineLost(self.name, self._node.down)
        try:
            entity = find()
        except LookupError as error:
            raise DeviceRefused(self.name, f"{error.args[0]}; check its options") from None
        if gone := self._node.gone(entity):
            raise LineLost(self.name, gone)
        return entity

    def _count(self, began_s: float, error: DeviceError | None) -> None:
        """One command and how it ended."""
        self.stats.requests += 1
        if error is None:
            self.stats.answered += 1
            self.stats.latencies_ms.append((self._clock.monotonic() - began_s) * 1000)
        else:
            self.stats.failed += 1
