"""A lock that is an entity of a node, with its door contact and buttons: the same for ESPHome and MQTT.

```
 release(hold_s) --> UNLOCK --> node says unlocked (never assumed): confirmed
       hold_s later: locked meanwhile by the node's own timer? done. Otherwise LOCK, until the node says locked
```
The driver's timer runs from before the command is sent: whatever becomes of the confirmation, the lock is locked
again. A node that went while it was released is locked as soon as it is back.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from pydantic import Field

from firmware_bridge.capabilities import DeviceError, DeviceRefused, DeviceTimeout, InputChanged, LockStatus, Quality
from firmware_bridge.drivers.base import DriverContext, Options
from firmware_bridge.drivers.entity_base import EntityDriver
from firmware_bridge.entities import Entity, Kind, LockState, Node, State
from firmware_bridge.exchange import LineLost
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

CONTACT, JAMMED = "contact", "jammed"
# Locking after `hold_s` is tried this often while the node is there, before it is given up as its failure.
SECURE_ATTEMPTS_MAX = 10
SECURE_PAUSE_S = 1.0

RELEASED = frozenset({LockState.UNLOCKED, LockState.OPEN})
SECURED = frozenset({LockState.LOCKED})


class EntityLockOptions(Options):
    """Which entities of the node make the door."""

    lock: str | None = Field(default=None, description="Object id of the lock; not needed when the node has one lock")
    contact: str | None = Field(default=None, description="Object id of the binary sensor that is the door contact")
    contact_open_level: bool = Field(default=True, description="State of that sensor while the door is open")
    buttons: dict[str, str] = Field(
        default_factory=dict, description="Name of a button -> object id of its binary sensor"
    )
    confirm_s: float = Field(
        default=3.0, ge=0.2, le=30, description="Seconds that the lock may take to say it is released, or locked"
    )


class EntityLock(EntityDriver):
    """A node's lock as a Lock: `release`, `secure`, `status`, and its inputs as events."""

    def __init__(self, context: DriverContext, node: Node, options: EntityLockOptions) -> None:
        super().__init__(context, node)
        self._options = options
        self._watched = {sensor: name for name, sensor in options.buttons.items()}
        if options.contact is not None:
            self._watched[options.contact] = CONTACT
        self._levels: dict[str, bool] = {}
        self._secure_later: asyncio.Task[None] | None = None
        self._owes_secure = False

    async def release(self, hold_s: float) -> None:
        """Release for at most `hold_s` seconds; returns once the node has said that it is released.

        Raises DeviceTimeout or DeviceRefused.
        """
        if not hold_s > 0:
            raise ValueError(f"{self.name}: a release of {hold_s} s is none")
        self._forget_timer()
        entity = self._entity(self._lock)
        if not entity.tells:
            raise DeviceRefused(
                self.name, f"{entity.name} only assumes its state, so a release is never confirmed; give it one"
            )
        self._owes_secure = True
        self._secure_later = asyncio.create_task(self._secure_after(hold_s), name=f"{self.name} secures")
        await self._move(entity, LockState.UNLOCKED, RELEASED)

    async def secure(self) -> None:
        """Secure now. Raises DeviceTimeout or DeviceRefused."""
        self._forget_timer()
        await self._move(self._entity(self._lock), LockState.LOCKED, SECURED)
        self._owes_secure = False

    async def status(self) -> LockStatus:
        """What the node says of bolt and contact; None for what it does not say, or when it does not answer."""
        if self._node.down:
            return LockStatus(released=None, contact_open=None)
        try:
            async with asyncio.timeout(self._options.confirm_s):
                await self._node.ask()
        except (DeviceError, TimeoutError) as error:
            log.info("status of %s is not known: %s", self.name, error)
            return LockStatus(released=None, contact_open=None)
        match self._lock_state(kept=True):
            case LockState.UNLOCKED | LockState.OPEN | LockState.OPENING | LockState.LOCKING:
                released: bool | None = True
            case LockState.LOCKED | LockState.UNLOCKING:
                released = False
            case _:
                released = None
        contact: bool | None = None
        if self._options.contact is not None:
            contact = self._level(self._options.contact)
        return LockStatus(released=released, contact_open=contact)

    async def run(self) -> None:
        """Everything comes by itself; on the way out a lock that is still released is locked."""
        try:
            while True:
                await self._node.changed()
                if self._owes_secure and self._idle:
                    self._settle_debt()
        finally:
            await self._end_timer()

    def _settle_debt(self) -> None:
        """The hold is over and the node was away then: unless it says that it is locked by now, it is locked."""
        try:
            away = self._node.gone(self._lock())
        except LookupError:
            return
        if away:
            return
        if self._lock_state(kept=True) in SECURED:
            self._owes_secure = False
        else:
            self._secure_later = asyncio.create_task(self._lock_again(), name=f"{self.name} secures")

    @property
    def _idle(self) -> bool:
        return self._secure_later is None or self._secure_later.done()

    def node_changed(self) -> None:
        if self._node.down:
            # What the door did meanwhile is not known: its state is told anew when the node is back. A jam is not:
            # it was told, and only its end is news.
            self._levels = {name: level for name, level in self._levels.items() if name == JAMMED and level}
        super().node_changed()

    def told(self, entity: Entity, state: State) -> None:
        if entity.kind is Kind.BINARY_SENSOR and entity.name in self._watched:
            self._input(self._watched[entity.name], self._level(entity.name), state)
        elif entity.kind is Kind.LOCK and self._options.lock in (None, entity.name) and state.value is not None:
            self._input(JAMMED, state.value == LockState.JAMMED, state)

    def _look(self) -> None:
        parts = [self._lock(), *(self._node.find(Kind.BINARY_SENSOR, sensor) for sensor in self._watched)]
        for part in parts:
            if away := self._node.away(part):
                if part.kind is Kind.BINARY_SENSOR:
                    self._levels.pop(self._watched[part.name], None)
                raise LookupError(away)

    def _lock(self) -> Entity:
        return self._node.find(Kind.LOCK, self._options.lock)

    def _lock_state(self, *, kept: bool = False) -> LockState | None:
        """What the node itself said last in this connection; with `kept` also what stands though it was said before."""
        with suppress(LookupError):
            state = self._node.state(self._lock())
            if state is not None and isinstance(state.value, LockState):
                return state.value if state.live or (kept and state.quality is Quality.GOOD) else None
        return None

    def _level(self, sensor: str) -> bool | None:
        with suppress(LookupError):
            state = self._node.state(self._node.find(Kind.BINARY_SENSOR, sensor))
            if state is not None and isinstance(state.value, bool):
                opposite = self._watched[sensor] == CONTACT and not self._options.contact_open_level
                return state.value is not opposite
        return None

    def _input(self, name: str, active: bool | None, state: State) -> None:
        if active is None:
            self._levels.pop(name, None)
        elif self._levels.get(name) is not active:
            known = name in self._levels
            self._levels[name] = active
            if active or known or name != JAMMED:
                self._emit(InputChanged(self.name, name, active, state.at, state.mono_s))

    async def _move(self, entity: Entity, to: LockState, done: frozenset[LockState]) -> None:
        """Command, and wait for the node's own word. What was true before counts only once the node has answered."""
        began = self._clock.monotonic()
        already = self._lock_state() in done
        told_before = self._node.live_states(entity)

        def told_anew() -> bool:
            return bool(self._node.gone(entity)) or (
                self._node.live_states(entity) > told_before and self._lock_state() in done | {LockState.JAMMED}
            )

        try:
            with self._node.keeping_open():
                async with asyncio.timeout(self._options.confirm_s):
                    await self._node.send(entity, to)
                    if already:
                        await self._node.ask()
                        already = self._lock_state() in done
                    if not already:
                        await self._node.until(told_anew)
            self._check_moved(entity, to, done)
        except TimeoutError:
            self.stats.timeouts += 1
            said = self._lock_state()
            error = DeviceTimeout(
                self.name,
                f"did not say that it is {to.value} within {self._options.confirm_s:g} s"
                + (f", it says {said.value}; check the bolt" if said else "; check the node"),
            )
            self._count(began, error)
            raise error from None
        except DeviceError as error:
            self._count(began, error)
            raise
        self._count(began, None)

    def _check_moved(self, entity: Entity, to: LockState, done: frozenset[LockState]) -> None:
        if gone := self._node.gone(entity):
            raise DeviceTimeout(self.name, f"it went before it was {to.value}: {gone}")
        if self._lock_state() not in done:
            raise DeviceRefused(self.name, "is jammed; look at its bolt and its strike")

    async def _secure_after(self, hold_s: float) -> None:
        await asyncio.sleep(hold_s)
        await self._lock_again()

    async def _lock_again(self) -> None:
        for _ in range(SECURE_ATTEMPTS_MAX):
            if self._lock_state() is LockState.LOCKED:
                self._owes_secure = False
                return
            try:
                await self._move(self._entity(self._lock), LockState.LOCKED, SECURED)
            except LineLost as error:
                log.warning("was released, is locked when it is back: %s", error)
                return  # `run` sees it come back
            except DeviceError as error:
                log.warning("not secured yet: %s", error)
                await asyncio.sleep(SECURE_PAUSE_S)
            else:
                self._owes_secure = False
                return
        self._owes_secure = False
        log.error("%s was released and does not say that it is locked; look at it", self.name)

    def _forget_timer(self) -> None:
        if self._secure_later is not None:
            self._secure_later.cancel()
            self._secure_later = None

    async def _end_timer(self) -> None:
        """On the way out: the lock must not be left released."""
        timer, self._secure_later = self._secure_later, None
        if timer is not None and not timer.done():
            timer.cancel()
            await asyncio.wait([timer])
        if not self._owes_secure or self._lock_state() is LockState.LOCKED:
            return
        try:
            await self._move(self._entity(self._lock), LockState.LOCKED, SECURED)
        except DeviceError as error:
            log.warning("left released: %s", error)


def check_entity_lock(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which the entities of a door contradict each other."""
    assert isinstance(options, EntityLockOptions)
    found = ["profile: a node describes itself, it needs none"] if profile is not None else []
    for reserved in (CONTACT, JAMMED):
        if reserved in options.buttons:
            found.append(f"options.buttons.{reserved}: the name belongs to the door")
    wired = [*options.buttons.values(), *([options.contact] if options.contact else [])]
    for sensor in sorted({sensor for sensor in wired if wired.count(sensor) > 1}):
        found.append(f"options.buttons: {sensor} is named twice")
    return found
