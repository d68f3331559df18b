"""The attack suite for codes: whoever tries to get in without a fresh code of a member's phone stays outside.

`decide` is asked as the desk asks it, with what the desk remembers; what needs a process, a disk or a broker is tried
at a virtual station.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import base45
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access.attempts import CodeAttempt, Deny, Grant, Now
from station_agent.access.decide import Policy, decide
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.roster import HeldRoster, RosterHeld, RosterRefused, read_signed
from station_agent.clock import SystemClock
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import IssuerKey, PhoneKey, RevokedKey, Roster, RosterMember
from station_agent.wire.kinds import Reason
from station_agent.wire.signed import Forged, key_id, sign
from station_agent.wire.topics import Down
from tests.harness.fake_clock import FakeClock
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

ATTEMPTS = 100_000
SEED = 20261201
NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
DAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days
MEMBER, OTHER = "00112233445566aa", "00112233445566bb"
PHONES: dict[str, codes.PrivateKey] = {
    "es256": ec.derive_private_key(0xB0B, ec.SECP256R1()),
    "ed25519": Ed25519PrivateKey.from_private_bytes(b"p" * 32),
}
ISSUERS: dict[int, codes.PrivateKey] = {
    7: ec.derive_private_key(0x1551E, ec.SECP256R1()),
    8: Ed25519PrivateKey.from_private_bytes(b"i" * 32),
}
STRANGER = ec.derive_private_key(0x57A, ec.SECP256R1())


def phone_key(key: codes.PrivateKey) -> PhoneKey:
    public = codes.public_bytes(key)
    return PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(key),
        public=public.hex(),
        not_after=NOW + timedelta(days=10),
    )


def document(*members: RosterMember, station: str = "here", version: int = 3, revoked: tuple[str, ...] = ()) -> Roster:
    return Roster(
        station=station,
        version=version,
        issued_at=NOW,
        issuers=tuple(
            IssuerKey(
                kid=kid,
                algorithm=codes.algorithm_of(key),
                public=codes.public_bytes(key).hex(),
                not_after=NOW + timedelta(days=300),
            )
            for kid, key in ISSUERS.items()
        ),
        members=members,
        revoked=tuple(RevokedKey(sha256=one, until=NOW + timedelta(days=20)) for one in revoked),
    )


class Door:
    """A station's answers; used codes are remembered as its desk does. `known`: the roster holds the phones' keys.

    Bad tries are not: an attacker who is never made to wait gets no further.
    """

    def __init__(self, *, known: bool = True, revoked: tuple[str, ...] = ()) -> None:
        keys = tuple(phone_key(key) for key in PHONES.values()) if known else ()
        self.roster = HeldRoster.of(
            document(RosterMember(id=MEMBER, keys=keys), RosterMember(id=OTHER), revoked=revoked)
        )
        self.policy = Policy(timedelta(days=30), UsedCodes(), BadTries(tries_max=3, lock_out_s=60))
        self.opened = 0

    def shown(self, text: str, at: datetime = NOW, *, reader: str = "scanner", trusted: bool = True) -> Grant | Deny:
        now = Now(at, at.timestamp(), trusted)
        verdict = decide(CodeAttempt(UUID(int=1), reader, text), self.roster, self.policy, now)
        if isinstance(verdict, Grant):
            self.opened += 1
            assert verdict.code is not None
            self.policy.used.add(verdict.code.head, verdict.code.made_at, at)
        return verdict

    def refuses(self, text: str, at: datetime = NOW, **how: str) -> Reason:
        verdict = self.shown(text, at, **how)
        assert isinstance(verdict, Deny), "it opened"
        return verdict.reason


def certificate(key: codes.PrivateKey, member: str = MEMBER, issuer: int = 7, day: int = DAY + 3) -> codes.Certificate:
    return codes.certify(ISSUERS[issuer], issuer, member, codes.public_bytes(key), day)


def short(algorithm: str, at: datetime = NOW, nonce: bytes = b"\1\2") -> str:
    return codes.make_code(PHONES[algorithm], MEMBER, at, nonce)


def long(algorithm: str, at: datetime = NOW, nonce: bytes = b"\1\2") -> str:
    return codes.make_code(PHONES[algorithm], MEMBER, at, nonce, certificate(PHONES[algorithm]))


def raw_of(text: str) -> bytearray:
    return bytearray(base45.b45decode(text.removeprefix(codes.PREFIX)))


def text_of(raw: bytes) -> str:
    return codes.PREFIX + base45.b45encode(raw).decode()


KINDS = pytest.mark.parametrize(
    ("make", "known"),
    [(short, True), (long, True), (long, False)],
    ids=["short", "long, key known", "long, key unknown"],
)
ALGORITHMS = pytest.mark.parametrize("algorithm", list(PHONES))
Make = Callable[..., str]


@KINDS
@ALGORITHMS
def test_a_code_opens_once_whoever_copies_it_and_at_whichever_reader(make: Make, known: bool, algorithm: str) -> None:
    door, text = Door(known=known), make(algorithm)
    assert isinstance(door.shown(text), Grant)
    for reader in ("scanner", "entrance camera", "back door"):
        for seconds in range(0, 31, 5):
            at = NOW + timedelta(seconds=seconds)
            assert door.refuses(text, at, reader=reader) is Reason.CODE_REPLAYED
    assert door.refuses(text, NOW + timedelta(seconds=31)) is Reason.CODE_EXPIRED
    assert door.opened == 1


def test_another_signature_or_certificate_makes_no_new_code_of_a_used_one() -> None:
    door, key = Door(), PHONES["es256"]
    assert isinstance(door.shown(short("es256")), Grant)
    variants = [short("es256"), long("es256"), codes.make_code(key, MEMBER, NOW, b"\1\2", certificate(key, issuer=8))]
    raw = raw_of(short("es256"))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    raw[49:81] = (order - int.from_bytes(raw[49:81])).to_bytes(32)  # the other s of the same signature
    for text in (*variants, text_of(raw)):
        assert door.refuses(text) is Reason.CODE_REPLAYED


def test_the_same_code_at_two_stations_opens_once_at_each_and_never_after_its_time() -> None:
    """Two stations without a network cannot know of each other: this is the limit of any offline code."""
    here, there, text = Door(), Door(), short("es256")
    assert isinstance(here.shown(text), Grant)
    assert isinstance(there.shown(text, NOW + timedelta(seconds=20)), Grant)
    assert (here.refuses(text), there.refuses(text)) == (Reason.CODE_REPLAYED, Reason.CODE_REPLAYED)
    assert there.refuses(text, NOW + timedelta(seconds=45)) is Reason.CODE_EXPIRED


@KINDS
@ALGORITHMS
def test_a_screenshot_is_worth_nothing_after_45_seconds(make: Make, known: bool, algorithm: str) -> None:
    door, text = Door(known=known), make(algorithm)
    for seconds in (31, 45, 60, 3600, 86_400):
        assert door.refuses(text, NOW + timedelta(seconds=seconds)) is Reason.CODE_EXPIRED


@KINDS
@ALGORITHMS
def test_no_changed_byte_at_any_position_opens(make: Make, known: bool, algorithm: str) -> None:
    door, raw = Door(known=known), raw_of(make(algorithm))
    for position in range(len(raw)):
        for change in (0x01, 0x80, 0xFF):
            forged = bytearray(raw)
            forged[position] ^= change
            door.refuses(text_of(forged))
    assert isinstance(door.shown(text_of(raw)), Grant), "the code itself was good"


@KINDS
def test_no_code_that_is_cut_short_or_goes_on_opens(make: Make, known: bool) -> None:
    door, raw = Door(known=known), raw_of(make("es256"))
    for length in range(len(raw)):
        if length != 81:
            door.refuses(text_of(raw[:length]))
    for more in (1, 2, 64, 100, 1000):
        door.refuses(text_of(raw + bytes(more)))


def test_no_other_key_opens_in_a_members_name() -> None:
    for known in (True, False):
        door = Door(known=known)
        own = certificate(STRANGER)
        for text in (
            codes.make_code(STRANGER, MEMBER, NOW, b"aa"),
            codes.make_code(STRANGER, MEMBER, NOW, b"ab", certificate(PHONES["es256"])),
            codes.make_code(STRANGER, OTHER, NOW, b"ac", own),  # certified, for somebody else
            codes.make_code(
                STRANGER, MEMBER, NOW, b"ad", codes.certify(STRANGER, 7, MEMBER, codes.public_bytes(STRANGER), DAY)
            ),
            codes.make_code(
                STRANGER, MEMBER, NOW, b"ae", codes.certify(STRANGER, 9, MEMBER, codes.public_bytes(STRANGER), DAY)
            ),
            codes.make_code(PHONES["es256"], OTHER, NOW, b"af", certificate(PHONES["es256"])),
            codes.make_code(PHONES["es256"], "ff" * 8, NOW, b"ag", certificate(PHONES["es256"], "ff" * 8)),
        ):
            door.refuses(text)


def test_a_lost_phone_that_was_revoked_opens_neither_by_roster_nor_by_certificate() -> None:
    lost = codes.public_sha256(codes.public_bytes(PHONES["es256"]))
    for known in (True, False):
        door = Door(known=known, revoked=(lost,))
        assert door.refuses(long("es256")) is Reason.KEY_REVOKED
        assert isinstance(door.shown(long("ed25519")), Grant), "the member's other phone"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "U1:",
        "u1:" + short("es256")[3:],
        short("es256").lower(),
        " " + short("es256"),
        short("es256") + "\n",
        short("es256") + "\0",
        short("es256")[3:],
        "U1:" + "A" * 10_000,
        "U1:" + ":" * 272,
        "U1:" + "\uff10" * 122,
        "U1:" + "\U0001f6aa" * 100,
        "U2:" + short("es256")[3:],
        "https://example.org/?code=" + short("es256"),
        "A" * 1_000_000,
        "\ud800",
    ],
)
def test_what_is_malformed_or_oversized_is_refused(text: str) -> None:
    assert Door().refuses(text) in (Reason.NOT_A_CODE, Reason.CODE_VERSION)


@pytest.mark.parametrize("seconds", [-86_400, -3600, -31, 31, 3600, 86_400])
def test_a_phone_whose_clock_is_shifted_opens_nothing(seconds: int) -> None:
    door = Door()
    assert door.refuses(short("es256", NOW + timedelta(seconds=seconds))) in (
        Reason.CODE_EXPIRED,
        Reason.CODE_FROM_FUTURE,
    )


def test_a_station_whose_clock_is_set_back_does_not_take_the_codes_of_that_time() -> None:
    """Somebody pulls the battery and the network to make an old code good: what the hub signed is the floor."""
    clock = FakeClock(NOW)
    clock.passed(NOW)  # a roster of that moment
    old = NOW - timedelta(minutes=10)
    clock.set(old)
    door = Door()
    assert not clock.trusted()
    assert door.shown(short("es256", old), clock.now(), trusted=clock.trusted()).reason is Reason.CLOCK_UNTRUSTED
    assert not SystemClock(datetime.now(UTC) + timedelta(days=1)).trusted(), "the floor that was kept over a restart"
    clock.set(NOW)
    assert clock.trusted()
    assert isinstance(door.shown(short("es256"), clock.now(), trusted=clock.trusted()), Grant)


def test_a_roster_that_is_old_foreign_forged_or_of_another_kind_is_not_taken() -> None:
    hub, thief = (Ed25519PrivateKey.from_private_bytes(seed * 32) for seed in (b"h", b"t"))
    keys = {key_id(hub.public_key()): hub.public_key()}
    member = RosterMember(id=MEMBER)

    def sealed(roster: Roster, key: Ed25519PrivateKey = hub) -> bytes:
        return sign("document", roster.model_dump_json(), key)

    assert read_signed(sealed(document(member)), keys, "here", 2).version == 3
    refused: list[tuple[bytes, int, type[Exception]]] = [
        (sealed(document(member)), 4, RosterRefused),  # rolled back
        (sealed(document(member)), 3, RosterHeld),
        (sealed(document(member, station="there", version=9)), 3, RosterRefused),
        (sealed(document(member, version=9), thief), 3, Forged),
        (sign("command", document(member, version=9).model_dump_json(), hub), 3, Forged),
        (sealed(document(member, version=9)).replace(MEMBER.encode(), OTHER.encode()), 3, Forged),
        (b"{}", 3, Forged),
        (b"\xff" * 100, 3, Forged),
    ]
    for payload, held, error in refused:
        with pytest.raises(error):
            read_signed(payload, keys, "here", held)


def mutated(rng: random.Random, good: list[str]) -> str:
    """A text that nobody's phone made: random, or a good code changed somewhere."""
    raw = raw_of(rng.choice(good))
    match rng.randrange(8):
        case 0:
            return text_of(rng.randbytes(rng.choice((0, 1, 17, 80, 81, 82, 180, 181, 182))))
        case 1:
            alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
            return codes.PREFIX + "".join(rng.choices(alphabet, k=rng.randrange(300)))
        case 2:  # a head that looks right, with a random signature
            return text_of(bytes(raw[:17]) + rng.randbytes(64) + bytes(raw[81:]))
        case 3:
            raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
        case 4:
            for _ in range(rng.randrange(2, 20)):
                raw[rng.randrange(len(raw))] ^= rng.randrange(1, 256)
        case 5:  # parts of two codes
            other = raw_of(rng.choice(good))
            cut = rng.choice((1, 3, 11, 15, 17, 49, 81, 114, 116, 117))
            raw = raw[:cut] + other[cut:] if bytes(raw[:cut]) + bytes(other[cut:]) not in (raw, other) else raw[:cut]
        case 6:
            return rng.choice(good)[: rng.randrange(1, 275)] + "0"
        case _:  # a fresh time or nonce put into an old code
            raw[11 + rng.randrange(6)] ^= 1 << rng.randrange(8)
    return text_of(raw)


@pytest.mark.timeout(300)
def test_a_hundred_thousand_attempts_open_nothing() -> None:
    rng, door = random.Random(SEED), Door()
    # Codes that were good: used already, too old, too early, or of a phone that is not known.
    good = [short(algorithm, nonce=bytes((0, n))) for algorithm in PHONES for n in range(8)]
    good += [long(algorithm, nonce=bytes((1, n))) for algorithm in PHONES for n in range(8)]
    for text in good:
        assert isinstance(door.shown(text), Grant)
    opened = door.opened
    good += [long("es256", NOW - timedelta(minutes=5)), short("es256", NOW + timedelta(minutes=5))]
    good += [codes.make_code(STRANGER, MEMBER, NOW, b"zz", certificate(PHONES["es256"]))]
    reasons: Counter[Reason] = Counter()
    for _ in range(ATTEMPTS):
        reasons[door.refuses(mutated(rng, good))] += 1
    assert door.opened == opened
    assert reasons.total() == ATTEMPTS
    # The attempts got as far as each of the checks; else this would show nothing.
    for reason in (
        Reason.NOT_A_CODE,
        Reason.SIGNATURE_WRONG,
        Reason.CERTIFICATE_WRONG,
        Reason.KEY_UNKNOWN,
        Reason.CODE_REPLAYED,
        Reason.CODE_EXPIRED,
        Reason.MEMBER_UNKNOWN,
    ):
        assert reasons[reason] > 50, reasons


# --- at a station that runs ---


@pytest.mark.integration
async def test_attacks_at_a_station_that_runs(hub: MiniHub, station: VirtualStationProcess, phone: Phone) -> None:
    """Replayed after the process was killed, foreign and rolled-back rosters, a stolen broker's, a revoked phone."""
    text = phone.code()
    await station.scan(text)
    await station.until(releases=1, door_state="open")
    await station.kill_agent()
    await station.until(agent_running=False)
    await station.until(agent_running=True)
    await station.ready()
    await station.scan(text)
    await hub.event("access.decided", reason="code_replayed")
    thief = Phone()
    forged = document(thief.row(), station="demo-01", version=99)
    await hub.publish(
        "demo-01", Down.DOCUMENT, sign("document", forged.model_dump_json(), Ed25519PrivateKey.generate())
    )
    foreign = document(thief.row(), station="demo-02", version=99)
    await hub.publish("demo-01", Down.DOCUMENT, sign("document", foreign.model_dump_json(), hub.key))
    await hub.until(lambda: len(hub.events("input.rejected", source="document")) >= 1, "the rejection")
    await station.scan(thief.code())
    await hub.event("access.decided", reason="member_unknown")
    assert (await station.state())["releases"] == 1
