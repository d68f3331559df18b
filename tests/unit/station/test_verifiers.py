"""Codes that are not ours: whose they are, one-time codes, the union's platform, and that ours never wait."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from firmware_bridge.capabilities import Scan
from station_agent.access.attempts import Attempt, Grant, Now, VerifiedAttempt
from station_agent.access.decide import Policy, decide
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.roster import HeldRoster
from station_agent.access.texts import UNDER_WAY_MAX, Texts
from station_agent.access.verifiers.port import Finding, Proven, Refused, Silent
from station_agent.access.verifiers.totp import TotpVerifier
from station_agent.access.verifiers.union_platform import AT_ONCE_MAX, PlatformVerifier
from station_agent.access.verifiers.whose import Whose
from station_agent.wire.documents import RosterMember
from station_agent.wire.kinds import Reason
from station_agent.wire.profile import PlatformRow, TotpRow
from tests.harness.certificates import authority
from tests.harness.fake_clock import FakeClock
from tests.harness.union_platform import MEMBER, Platform, serving

AN_ID = UUID(int=7)
AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MakeVerifier = Callable[..., PlatformVerifier]
SECRETS = {"sha1": b"12345678901234567890", "sha256": b"12345678901234567890123456789012"}


def now(at: datetime = AT, *, trusted: bool = True) -> Now:
    return Now(at, at.timestamp(), trusted)


# --- one-time codes ---


def totp(folder: Path, row: TotpRow, secret: bytes) -> TotpVerifier:
    path = folder / "t.secrets"
    path.write_text(f"# comment\n{MEMBER} {base64.b32encode(secret).decode()}\n")
    path.chmod(0o600)
    return TotpVerifier("t", row, path)


# RFC 6238 appendix B
@pytest.mark.parametrize(
    ("seconds", "algorithm", "digits"),
    [
        (59, "sha1", "94287082"),
        (59, "sha256", "46119246"),
        (1111111109, "sha1", "07081804"),
        (1234567890, "sha1", "89005924"),
        (2000000000, "sha256", "90698825"),
        (20000000000, "sha1", "65353130"),
    ],
)
def test_the_codes_of_rfc_6238_are_proven(tmp_path: Path, seconds: int, algorithm: Any, digits: str) -> None:
    verifier = totp(tmp_path, TotpRow(algorithm=algorithm), SECRETS[algorithm])
    found = verifier.judge(f"T1:{MEMBER}:{digits}", now(datetime.fromtimestamp(seconds, UTC)))
    assert isinstance(found, Proven)
    assert found.member == MEMBER


def test_the_six_digits_of_rfc_4226_are_proven(tmp_path: Path) -> None:
    """Appendix D: counter 1 is 287082. The time step takes the counter's place."""
    verifier = totp(tmp_path, TotpRow(digits=6, steps_around=0), SECRETS["sha1"])
    assert isinstance(verifier.judge(f"T1:{MEMBER}:287082", now(datetime.fromtimestamp(30, UTC))), Proven)


def test_a_one_time_code_holds_a_step_around_its_own_and_not_two(tmp_path: Path) -> None:
    verifier = totp(tmp_path, TotpRow(), SECRETS["sha1"])
    step_1 = f"T1:{MEMBER}:94287082"
    for seconds, proven in ((29, True), (0, True), (89, True), (90, False), (500, False)):
        found = verifier.judge(step_1, now(datetime.fromtimestamp(seconds, UTC)))
        assert isinstance(found, Proven) is proven, seconds
    assert found == Refused(Reason.SIGNATURE_WRONG, "the digits are not those of this time", MEMBER, counted=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("T1:" + MEMBER + ":1234567", Reason.NOT_A_CODE),
        ("T1:" + MEMBER + ":١٢٣٤٥٦٧٨", Reason.NOT_A_CODE),
        ("T1:" + MEMBER.upper() + ":94287082", Reason.NOT_A_CODE),
        ("T1:" + MEMBER + ":94287082 ", Reason.NOT_A_CODE),
        ("T1:" + "f" * 16 + ":94287082", Reason.KEY_UNKNOWN),
    ],
)
def test_what_is_no_one_time_code_of_here(tmp_path: Path, text: str, reason: Reason) -> None:
    found = totp(tmp_path, TotpRow(), SECRETS["sha1"]).judge(text, now(datetime.fromtimestamp(59, UTC)))
    assert isinstance(found, Refused)
    assert found.reason is reason


def test_a_clock_that_cannot_be_believed_proves_no_one_time_code(tmp_path: Path) -> None:
    found = totp(tmp_path, TotpRow(), SECRETS["sha1"]).judge(f"T1:{MEMBER}:94287082", now(AT, trusted=False))
    assert isinstance(found, Refused)
    assert found.reason is Reason.CLOCK_UNTRUSTED


def test_secrets_must_be_the_owners_only_whole_and_long_enough(tmp_path: Path) -> None:
    verifier = totp(tmp_path, TotpRow(), SECRETS["sha1"])
    path, text = tmp_path / "t.secrets", f"T1:{MEMBER}:94287082"
    at = now(datetime.fromtimestamp(59, UTC))
    assert isinstance(verifier.judge(text, at), Proven)
    for content, mode, says in (
        (f"{MEMBER} {base64.b32encode(b'short').decode()}\n", 0o600, "line 1"),
        ("nonsense\n", 0o600, "line 1"),
        (f"{MEMBER} {base64.b32encode(bytes(20)).decode()}\n", 0o644, "chmod 600"),
    ):
        path.unlink()
        path.write_text(content)
        path.chmod(mode)
        found = verifier.judge(text, at)
        assert isinstance(found, Silent)
        assert says in found.detail
    path.unlink()
    assert "not in the key directory" in getattr(verifier.judge(text, at), "detail", "")


def test_a_one_time_code_opens_once_and_wrong_digits_make_the_reader_wait(tmp_path: Path) -> None:
    verifier = totp(tmp_path, TotpRow(), SECRETS["sha1"])
    at = now(datetime.fromtimestamp(59, UTC))
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(tries_max=3, lock_out_s=60))
    roster = HeldRoster(1, at.utc, {}, {MEMBER: RosterMember(id=MEMBER)})

    def shown(text: str) -> Any:
        found = verifier.judge(text, at)
        match found:
            case Proven(member, detail, used):
                attempt = VerifiedAttempt(AN_ID, "scanner", "t", member, Reason.MEMBER, detail, used)
            case Refused(reason, detail, member, counted):
                attempt = VerifiedAttempt(AN_ID, "scanner", "t", member, reason, detail, counted=counted)
        verdict = decide(attempt, roster, policy, at)
        if isinstance(verdict, Grant):
            assert verdict.code is not None
            policy.used.add(verdict.code.head, verdict.code.made_at, at.utc)
        else:
            for name in verdict.tried:
                policy.tries.failed(name, at.mono_s)
        return verdict

    assert isinstance(shown(f"T1:{MEMBER}:94287082"), Grant)
    assert shown(f"T1:{MEMBER}:94287082").reason is Reason.CODE_REPLAYED
    for guess in range(2):
        assert shown(f"T1:{MEMBER}:0000000{guess}").reason is Reason.SIGNATURE_WRONG
    assert shown(f"T1:{MEMBER}:94287082").reason is Reason.READER_LOCKED_OUT


# --- the union's platform ---


class Kept:
    """Secrets in memory."""

    def __init__(self, **kept: bytes) -> None:
        self.kept = kept

    def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def write(self, name: str, data: bytes) -> None:
        self.kept[name] = data

    def where(self, name: str) -> str:
        return f"KEYS/verifiers/{name}"


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Authority, certificate, key."""
    return authority(tmp_path_factory.mktemp("tls"), "union")


@pytest.fixture
async def platform(
    tls_files: tuple[Path, Path, Path],
) -> AsyncIterator[tuple[Platform, MakeVerifier]]:
    told = Platform()
    made: list[PlatformVerifier] = []
    async with serving(told, tls_files[1], tls_files[2]) as port:

        def verifier(*, trusted: bool = True, secrets: Kept | None = None, **changes: Any) -> PlatformVerifier:
            changes = {"timeout_s": 5} | changes
            row = PlatformRow(url=f"https://127.0.0.1:{port}/verify", token="union", prefix="union:", **changes)
            context = ssl.create_default_context(cafile=str(tls_files[0]) if trusted else None)
            made.append(PlatformVerifier("union", row, "demo-01", secrets or Kept(union=b"the-token\n"), context))
            return made[-1]

        yield told, verifier
        for one in made:
            await one.close()


async def test_the_platform_is_asked_with_the_token_and_its_member_is_proven(platform: Any) -> None:
    told, verifier = platform
    assert await verifier().verify("union:abc", "scanner", now()) == Proven(MEMBER, "proven by union")
    assert told.asked == [{"code": "union:abc", "station": "demo-01", "reader": "scanner"}]
    assert told.tokens == ["bearer the-token"]


async def test_a_grant_is_asked_anew_and_a_refusal_is_remembered_for_a_while(platform: Any) -> None:
    told, verifier = platform
    asks = verifier(denial_s=20)
    for _ in range(2):
        assert isinstance(await asks.verify("union:good", "scanner", now()), Proven)
    assert len(told.asked) == 2
    told.answer = b'{"granted": false, "reason": "used up"}'
    for seconds in (0, 19):
        found = await asks.verify("union:bad", "scanner", now(AT + timedelta(seconds=seconds)))
        assert found == Refused(Reason.PLATFORM_REFUSED, "union: used up")
    assert len(told.asked) == 3
    await asks.verify("union:bad", "scanner", now(AT + timedelta(seconds=21)))
    assert len(told.asked) == 4


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"{}"),
        (302, b"{}"),
        (200, b"<html>"),
        (200, b'{"granted": true}'),
        (200, b'{"granted": true, "member": "1 OR 1=1"}'),
        (200, b'{"granted": 1, "member": "00112233445566aa"}'),
        (200, b'{"granted": true, "member": "00112233445566aa", "more": 1}'),
        (200, b" " * 100_000),
    ],
)
async def test_any_other_answer_is_no_grant(platform: Any, status: int, answer: bytes) -> None:
    told, verifier = platform
    told.status, told.answer = status, answer
    assert isinstance(await verifier().verify("union:abc", "scanner", now()), Silent)


async def test_a_platform_that_does_not_answer_costs_its_time_limit_and_no_more_requests_than_allowed(
    platform: Any,
) -> None:
    told, verifier = platform
    told.waits.clear()
    asks = verifier(timeout_s=0.3)
    found = await asyncio.gather(*(asks.verify(f"union:{n}", "scanner", now()) for n in range(AT_ONCE_MAX + 3)))
    assert all(isinstance(one, Silent) for one in found)
    assert sum("under way" in one.detail for one in found) == 3
    assert len(told.asked) <= AT_ONCE_MAX


async def test_a_platform_with_a_certificate_that_nobody_vouches_for_gets_neither_code_nor_token(
    platform: Any,
) -> None:
    told, verifier = platform
    assert isinstance(await verifier(trusted=False).verify("union:abc", "scanner", now()), Silent)
    assert told.asked == []


async def test_a_missing_token_is_named(platform: Any) -> None:
    told, verifier = platform
    found = await verifier(secrets=Kept()).verify("union:abc", "scanner", now())
    assert "KEYS/verifiers/union" in found.detail
    assert told.asked == []


def test_a_verifier_is_asked_over_https_only_and_says_whose_texts_are_its() -> None:
    good = {"url": "https://union.example/verify", "token": "union", "prefix": "union:"}
    PlatformRow.model_validate(good)
    for change in (
        {"url": "http://union.example/verify"},
        {"url": "https://user:password@union.example/"},
        {"prefix": None},
        {"pattern": "x"},
        {"prefix": None, "pattern": "("},
        {"token": "../hub.pem"},
    ):
        with pytest.raises(ValidationError):
            PlatformRow.model_validate(good | change)


# --- whose a text is ---


@pytest.mark.parametrize(
    ("prefix", "pattern", "text", "claimed"),
    [
        ("union:", None, "union:abc", True),
        ("union:", None, "Union:abc", False),
        (None, r"https://u\.example/c/[0-9]+", "https://u.example/c/12", True),
        (None, r"https://u\.example/c/[0-9]+", "https://u.example/c/12x", False),
        (None, r".*", "U1:ABC", False),
        (None, r".*", "G1:1234", False),
        (None, r".*", "x" * 1025, False),
    ],
)
def test_a_text_belongs_to_a_verifier_by_its_beginning_or_as_a_whole_and_never_one_of_ours(
    prefix: str | None, pattern: str | None, text: str, claimed: bool
) -> None:
    assert Whose(prefix, pattern).claims(text) is claimed


class Scripted:
    def __init__(self, name: str, *findings: Finding) -> None:
        self.name = name
        self.findings = list(findings)
        self.gate = asyncio.Event()
        self.gate.set()

    def claims(self, text: str) -> bool:
        return text.startswith("x")

    async def verify(self, text: str, reader: str, now: Now) -> Finding:
        await self.gate.wait()
        return self.findings.pop(0)

    async def prepare(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Listening:
    """Stands for the desk."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def attempt(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


def texts(clock: FakeClock, *verifiers: Scripted) -> tuple[Texts, Listening, list[str]]:
    desk, ours = Listening(), []
    made = Texts(desk, lambda scan: ours.append(scan.text), verifiers, clock)  # type: ignore[arg-type]
    return made, desk, ours


def scan(text: str) -> Scan:
    return Scan("scanner", text, AT, 0.0)


async def settled(made: Texts) -> None:
    while made._under_way:
        await asyncio.wait(list(made._under_way.values()))
        await asyncio.sleep(0)


async def test_our_code_is_with_the_desk_before_the_call_returns_whatever_waits(clock: FakeClock) -> None:
    slow = Scripted("slow", Silent("late"))
    slow.gate.clear()
    made, _, ours = texts(clock, slow)
    made.read(scan("x1"))
    made.read(scan("U1:ABC"))
    made.read(scan("G1:1234"))
    made.read(scan("nobody's"))
    assert ours == ["U1:ABC", "G1:1234", "nobody's"]
    await made.close()


def test_what_a_camera_sees_is_a_code_of_ours_or_of_a_verifier_or_nothing(clock: FakeClock) -> None:
    made, _, _ = texts(clock, Scripted("a"))
    assert [made.known(text) for text in ("U1:ABC", "G1:1234", "x1", "https://pay.example/1")] == [
        True,
        True,
        True,
        False,
    ]


async def test_the_next_verifier_is_asked_only_if_the_silent_one_lets_it(clock: FakeClock) -> None:
    for fall_back, said in ((True, Reason.MEMBER), (False, Reason.PLATFORM_SILENT)):
        made, desk, _ = texts(clock, Scripted("a", Silent("off", fall_back)), Scripted("b", Proven(MEMBER)))
        made.read(scan("x1"))
        await settled(made)
        (attempt,) = desk.attempts
        assert isinstance(attempt, VerifiedAttempt)
        assert attempt.reason is said
        assert attempt.verifier == ("b" if fall_back else "a")


async def test_a_text_that_is_being_judged_is_one_attempt_and_their_number_is_bounded(clock: FakeClock) -> None:
    slow = Scripted("slow", *(Proven(MEMBER) for _ in range(UNDER_WAY_MAX)))
    slow.gate.clear()
    made, desk, _ = texts(clock, slow)
    for number in range(UNDER_WAY_MAX):
        made.read(scan(f"x{number}"))
        made.read(scan(f"x{number}"))
    assert desk.attempts == []
    made.read(scan("x-one-more"))
    assert [attempt.reason for attempt in desk.attempts if isinstance(attempt, VerifiedAttempt)] == [
        Reason.PLATFORM_SILENT
    ]
    slow.gate.set()
    await settled(made)
    assert len(desk.attempts) == UNDER_WAY_MAX + 1
