"""What the station says to whoever stands before it: on the sign, by the voice, by both or by neither."""

from __future__ import annotations

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import DeviceError
from station_agent.access.face_desk import ASKED
from station_agent.access.sentences import SENTENCES, Sentence
from station_agent.assembly.ground import Ground
from station_agent.faces.liveness import CHALLENGE_S, Movement
from station_agent.faces.proof import TELL_S, NotTold, nobody_asks
from station_agent.signs.service import SignService
from station_agent.voice import ProgramVoice
from station_agent.wire.kinds import Reason

SIGN_PAGES_DEFAULT = 4

HEARD_S = 1.5  # for a voice to say what to do


class Announcer:
    """Made by `open_announcer`. Nothing here waits, except `ask`."""

    def __init__(self, ground: Ground, sign: SignService | None) -> None:
        self._clock = ground.clock
        self.sign = sign
        row = ground.profile.voice
        self._voice = ProgramVoice(row.command) if row is not None else None
        self._chinese = row is None or row.language == "zh"
        if sign is not None:
            sign.on_changed = ground.changes.note
            ground.supervisor.keep("sign", sign.run)
        if self._voice is not None:
            ground.supervisor.keep("voice", self._voice.run)

    @property
    def sign_text(self) -> str:
        return self.sign.shown if self.sign is not None else ""

    def tell(self, reason: Reason) -> None:
        """What became of an attempt, for the person who made it."""
        if self.sign is not None:
            self.sign.tell(reason)
        self._speak(SENTENCES[reason])

    def say(self, sentence: str) -> None:
        if self.sign is not None:
            self.sign.say(sentence)
        if self._voice is not None:
            self._voice.say(sentence)

    def announce(self, sentence: Sentence) -> None:
        """For everybody who is here."""
        if self.sign is not None:
            self.sign.say(sentence.zh)
        self._speak(sentence)

    async def ask(self, movement: Movement) -> None:
        """Tells a challenge; returns once it can be read, or heard where there is no sign. Raises NotTold."""
        sentence = ASKED[movement]
        self._speak(sentence)
        if self.sign is not None:
            try:
                await self.sign.ask(sentence.zh, TELL_S + CHALLENGE_S)
            except DeviceError as error:
                raise NotTold(str(error)) from error
        elif self._voice is not None:
            await self._clock.sleep(HEARD_S)
        else:
            await nobody_asks(movement)

    def _speak(self, sentence: Sentence) -> None:
        if self._voice is not None:
            self._voice.say(sentence.zh if self._chinese else sentence.en)


async def open_announcer(ground: Ground, bridge: Bridge) -> Announcer:
    """With the manager's text of before a restart."""
    row = ground.profile.sign
    if row is None:
        return Announcer(ground, None)
    pages_max = ground.profile.devices[row.device].options.get("pages_max", SIGN_PAGES_DEFAULT)
    sign = SignService(bridge.sign(row.device), row.idle_text, pages_max, store=ground.store, clock=ground.clock)
    await sign.load()
    return Announcer(ground, sign)
