"""The words of the contract: states, reasons, outcomes. Each has one meaning everywhere (docs, API, pages)."""

from __future__ import annotations

from enum import StrEnum


class Credential(StrEnum):
    """By what somebody asks to enter."""

    CODE = "code"
    FACE = "face"
    CARD = "card"
    PIN = "pin"  # typed by staff on a keypad
    GUEST = "guest"  # a guest's code, typed or shown as a QR
    BUTTON = "button"  # the button at the door, in extreme cold
    REMOTE = "remote"


class Outcome(StrEnum):
    GRANTED = "granted"
    DENIED = "denied"


class Reason(StrEnum):
    """Why an attempt was granted or denied. Pages translate it into one plain sentence."""

    MEMBER = "member"
    REMOTE_ORDER = "remote_order"
    # the code
    NOT_A_CODE = "not_a_code"
    CODE_VERSION = "code_version"
    CODE_ALGORITHM = "code_algorithm"
    CODE_EXPIRED = "code_expired"
    CODE_FROM_FUTURE = "code_from_future"
    CODE_REPLAYED = "code_replayed"
    SIGNATURE_WRONG = "signature_wrong"
    CERTIFICATE_WRONG = "certificate_wrong"
    CERTIFICATE_EXPIRED = "certificate_expired"
    KEY_UNKNOWN = "key_unknown"
    CLOCK_UNTRUSTED = "clock_untrusted"
    # the member
    MEMBER_UNKNOWN = "member_unknown"
    MEMBER_SUSPENDED = "member_suspended"
    MEMBERSHIP_EXPIRED = "membership_expired"
    ROSTER_TOO_OLD = "roster_too_old"
    # the face
    FACES_OFF = "faces_off"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_UNKNOWN = "face_unknown"
    FACE_AMBIGUOUS = "face_ambiguous"
    CAMERA_SILENT = "camera_silent"
    FACE_ENGINE_SILENT = "face_engine_silent"
    # the station
    CREDENTIAL_LOCKED_OUT = "credential_locked_out"
    DOOR_OUT_OF_SERVICE = "door_out_of_service"
    LOCK_SILENT = "lock_silent"


class DoorState(StrEnum):
    SECURED = "secured"
    RELEASED = "released"
    OPEN = "open"
    HELD_OPEN = "held_open"
    FORCED = "forced"
    JAMMED = "jammed"
    UNKNOWN = "unknown"  # since the start, until the contact has been read once


class AlarmKind(StrEnum):
    DOOR_FORCED = "door_forced"
    DOOR_HELD_OPEN = "door_held_open"
    DOOR_JAMMED = "door_jammed"
    DEVICE_OFFLINE = "device_offline"
    CLOCK_UNTRUSTED = "clock_untrusted"
    SPOOL_FILLING = "spool_filling"
    LOG_BROKEN = "log_broken"  # raised by the hub: a station's events do not follow from each other


class CommandKind(StrEnum):
    DOOR_OPEN = "door.open"
    SIGN_TEXT = "sign.text"
    CAMERA_PICTURE = "camera.picture"
    VIDEO_PUSH = "video.push"
    FACE_ENROL = "face.enrol"
    FACE_ERASE = "face.erase"


class CommandStatus(StrEnum):
    QUEUED = "queued"  # in the hub's table
    SENT = "sent"  # published at least once
    ACCEPTED = "accepted"  # the station has verified it and begun
    DONE = "done"  # its effect is confirmed
    REFUSED = "refused"  # the station will not do it, and says why
    EXPIRED = "expired"  # nobody did it in time; it will never be done
    FAILED = "failed"  # the station tried


FINAL_STATUSES = frozenset({CommandStatus.DONE, CommandStatus.REFUSED, CommandStatus.EXPIRED, CommandStatus.FAILED})
