"""What each kind of order does at a station: one function a kind, given by `handlers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.capabilities import DeviceError
from station_agent.access.attempts import RemoteAttempt
from station_agent.access.desk import Desk
from station_agent.access.doorkeeper import Doorkeeper
from station_agent.clock import Clock
from station_agent.faces.service import EnrolRefused, FaceService, Guidance
from station_agent.faces.templates import TemplatesUnusable
from station_agent.link.orders import Done, Handler, OrderFailed, OrderRefused
from station_agent.signs.service import SignService
from station_agent.telemetry.spool import Spool
from station_agent.video.camera import Camera
from station_agent.video.errors import CameraUnknown, LiveRefused, VideoError
from station_agent.video.picture import PictureUploader
from station_agent.video.push import VideoPusher
from station_agent.wire.commands import CameraPicture, Command, DoorService, FaceEnrol, FaceErase, SignText, VideoPush
from station_agent.wire.events import CommandProgress, FaceEnrolled, FaceErased
from station_agent.wire.kinds import CommandKind, CommandStatus

GUIDE_S = 0.7
"""Between two sentences of guidance about the same count: somebody has to read them, and each is an event."""

ENROLLED = "录入完成"
SIGN_CHARACTERS_BESIDE_COUNT = 6  # of eight on one page


@dataclass(frozen=True, slots=True)
class Parts:
    """What a station has; None for what it has not."""

    desk: Desk
    doorkeeper: Doorkeeper
    spool: Spool
    clock: Clock
    hold_s: float
    sign: SignService | None
    uploader: PictureUploader | None
    pusher: VideoPusher | None
    faces: FaceService | None
    face_camera: Camera | None


def handlers(parts: Parts) -> dict[CommandKind, Handler]:
    """Only what this station can do; other orders are refused by the inbox."""
    known: dict[CommandKind, Handler] = {
        CommandKind.DOOR_OPEN: lambda command: _open_door(command, parts),
        CommandKind.DOOR_SERVICE: lambda command: _set_service(command, parts.doorkeeper),
    }
    if parts.sign is not None:
        sign = parts.sign
        known[CommandKind.SIGN_TEXT] = lambda command: _show_text(command, sign)
    if parts.uploader is not None:
        uploader = parts.uploader
        known[CommandKind.CAMERA_PICTURE] = lambda command: _send_picture(command, uploader)
    if parts.pusher is not None:
        pusher = parts.pusher
        known[CommandKind.VIDEO_PUSH] = lambda command: _push_video(command, pusher)
    if parts.faces is not None and parts.face_camera is not None:
        faces, camera = parts.faces, parts.face_camera
        known[CommandKind.FACE_ENROL] = lambda command: _enrol(command, faces, camera, parts)
        known[CommandKind.FACE_ERASE] = lambda command: _erase(command, faces, parts.spool)
    return known


async def _open_door(command: Command, parts: Parts) -> Done:
    """Done when the contact has opened; a release that nobody used is a failure and says so."""
    answer = parts.desk.attempt(RemoteAttempt(command.id, command.actor, command.reason, command.confirmer))
    if answer is None:
        raise OrderFailed("the station is shutting down")
    if answer.admission is None:
        raise OrderRefused(f"{answer.verdict.reason}: {answer.verdict.detail}")
    try:
        await answer.admission.released
    except DeviceError as error:
        raise OrderFailed(f"the lock did not answer: {error}") from error
    released_at = parts.clock.now().isoformat()
    if not await answer.admission.used:
        detail = f"released, but nobody opened the door within {parts.hold_s:g} s"
        raise OrderFailed(detail, {"released_at": released_at})
    return Done("the door was opened", {"released_at": released_at, "opened_at": parts.clock.now().isoformat()})


async def _set_service(command: Command, doorkeeper: Doorkeeper) -> Done:
    assert isinstance(command.order, DoorService)
    doorkeeper.set_service(command.order.in_service, command.actor, command.reason)
    return Done("the door is in service" if command.order.in_service else "the door is out of service")


async def _show_text(command: Command, sign: SignService) -> Done:
    assert isinstance(command.order, SignText)
    try:
        await sign.set_text(command.order.text, command.order.seconds)
    except DeviceError as error:
        raise OrderFailed(f"the sign did not take the text: {error}") from error
    return Done("the text is on the sign", {"sign_text": sign.shown})


async def _send_picture(command: Command, uploader: PictureUploader) -> Done:
    assert isinstance(command.order, CameraPicture)
    try:
        size = await uploader.execute(command.order)
    except CameraUnknown as error:
        raise OrderRefused(str(error)) from error
    except VideoError as error:
        raise OrderFailed(str(error)) from error
    return Done("the hub has the picture", {"bytes": size})


async def _push_video(command: Command, pusher: VideoPusher) -> Done:
    assert isinstance(command.order, VideoPush)
    try:
        await pusher.execute(command.order)
    except (CameraUnknown, LiveRefused) as error:
        raise OrderRefused(str(error)) from error
    except VideoError as error:
        raise OrderFailed(str(error)) from error
    return Done("the live view has begun")


async def _enrol(command: Command, faces: FaceService, camera: Camera, parts: Parts) -> Done:
    order = command.order
    assert isinstance(order, FaceEnrol)
    guide = _guide(command, parts)
    try:
        enrolled = await faces.enrol(order.member, order.consent, camera.frames(), guide=guide)
    except EnrolRefused as error:
        raise OrderRefused(str(error)) from error
    except VideoError as error:
        raise OrderFailed(str(error)) from error
    enrolled_event = FaceEnrolled(
        member=order.member, templates=enrolled.templates, consent_until=enrolled.consent_until
    )
    parts.spool.record(enrolled_event)
    if parts.sign is not None:
        parts.sign.say(ENROLLED)
    return Done(f"{enrolled.templates} templates", {"templates": enrolled.templates})


def _guide(command: Command, parts: Parts) -> Callable[[Guidance], None]:
    """Shows the person what to do next on the sign, and the operator by the order's progress."""
    told_s, told = float("-inf"), Guidance(-1, 0, "", "")

    def guide(guidance: Guidance) -> None:
        nonlocal told_s, told
        now = parts.clock.monotonic()
        if guidance == told or (guidance.good == told.good and now - told_s < GUIDE_S):
            return  # the next picture says it again, if it still holds
        told_s, told = now, guidance
        count = f"{guidance.good}/{guidance.wanted}"
        if parts.sign is not None:
            short = len(guidance.zh) <= SIGN_CHARACTERS_BESIDE_COUNT
            parts.sign.say(f"{guidance.zh} {count}" if short else guidance.zh)
        result = {"good": guidance.good, "wanted": guidance.wanted, "next": guidance.zh}
        progress = CommandProgress(
            command=command.id, status=CommandStatus.ACCEPTED, detail=f"{count}: {guidance.sentence}", result=result
        )
        parts.spool.record(progress)

    return guide


async def _erase(command: Command, faces: FaceService, spool: Spool) -> Done:
    order = command.order
    assert isinstance(order, FaceErase)
    try:
        templates = await faces.erase(order.member)
    except TemplatesUnusable as error:
        raise OrderFailed(str(error)) from error
    spool.record(FaceErased(member=order.member, templates=templates))
    return Done(f"{templates} templates erased", {"templates": templates})
