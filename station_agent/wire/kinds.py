"""The words of the contract: states, reasons, outcomes. Each has one meaning everywhere (docs, API, pages)."""

from __future__ import annotations

from enum import StrEnum


class Credential(StrEnum):
    """By what somebody asks to enter."""

    CODE = "code"
    DOOR_CODE = "door_code"  # the other way round: the phone scanned the station's rotating code
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
    STAFF = "staff"
    GUEST = "guest"
    COLD_OPEN = "cold_open"  # extreme cold: whoever asks enters
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
    KEY_REVOKED = "key_revoked"
    DOOR_CODE_UNKNOWN = "door_code_unknown"  # the station has not shown such a code since it started
    DOOR_CODE_EXPIRED = "door_code_expired"
    DOOR_CODE_USED = "door_code_used"
    PLATFORM_REFUSED = "platform_refused"  # whoever made the code does not stand by it
    PLATFORM_SILENT = "platform_silent"
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
    FACE_NOT_LIVE = "face_not_live"  # not surely a living person: a picture, a screen
    CHALLENGE_MISSED = "challenge_missed"  # the movement that was asked for was not seen
    CAMERA_SILENT = "camera_silent"
    FACE_ENGINE_SILENT = "face_engine_silent"
    FACE_AFTER_CODE = "face_after_code"  # too many people are enrolled to search among them: the code comes first
    # the face after a code, compared with that of the code's member alone
    FACE_OTHER = "face_other"  # it is somebody else's
    FACE_NOT_ENROLLED = "face_not_enrolled"  # never, or erased, or its consent has ended
    FACE_CHECK_SILENT = "face_check_silent"  # camera or engine, where the code alone does not open
    # the card, the PIN, the guest's code
    CARD_UNKNOWN = "card_unknown"
    PIN_UNKNOWN = "pin_unknown"
    GUEST_CODE_UNKNOWN = "guest_code_unknown"
    GUEST_CODE_USED = "guest_code_used"
    NOT_YET_VALID = "not_yet_valid"
    NO_LONGER_VALID = "no_longer_valid"
    # the rules
    ROLE_UNKNOWN = "role_unknown"
    CREDENTIAL_NOT_ALLOWED = "credential_not_allowed"
    FACE_NEEDED = "face_needed"  # after the code
    CODE_NEEDED = "code_needed"  # after the face
    OUTSIDE_SCHEDULE = "outside_schedule"
    STATION_CLOSED = "station_closed"
    STATION_FULL = "station_full"
    LOCKDOWN = "lockdown"
    PASSBACK_WAIT = "passback_wait"
    BUTTON_NOT_NOW = "button_not_now"
    SECOND_PERSON_NEEDED = "second_person_needed"
    # the station
    READER_LOCKED_OUT = "reader_locked_out"
    CREDENTIAL_LOCKED_OUT = "credential_locked_out"
    DOOR_OUT_OF_SERVICE = "door_out_of_service"
    LOCK_SILENT = "lock_silent"


class Remark(StrEnum):
    """What a manager should see of an entry that was granted all the same."""

    OTHER_CREDENTIAL = "other_credential"  # the member had just entered by another phone or card
    OVER_CAPACITY = "over_capacity"
    TIMES_UNCHECKED = "times_unchecked"  # the clock cannot be believed: schedules and validity were not asked


class DoorState(StrEnum):
    SECURED = "secured"
    RELEASED = "released"
    OPEN = "open"
    HELD_OPEN = "held_open"
    FORCED = "forced"
    JAMMED = "jammed"
    EMERGENCY = "emergency"  # held released by the fire input, or by a low battery at a fail-safe door
    OUT_OF_SERVICE = "out_of_service"  # by a manager's order: nobody is let in, whoever is inside can leave
    UNKNOWN = "unknown"  # the contact has not been read yet, or cannot be read now


class AlarmKind(StrEnum):
    DOOR_FORCED = "door_forced"
    DOOR_HELD_OPEN = "door_held_open"
    DOOR_JAMMED = "door_jammed"  # released, and it resists
    DOOR_NEVER_OPENED = "door_never_opened"  # granted again and again, and nobody opened: ice, a padlock
    DOOR_UNBOLTED = "door_unbolted"  # closed and secured, and its bolt has not come out: it can be pushed open
    DOOR_TAMPERED = "door_tampered"
    DOOR_UNUSABLE = "door_unusable"  # it should be open to members now, and is not
    DOOR_SELFTEST_FAILED = "door_selftest_failed"
    EGRESS_STUCK = "egress_stuck"  # the exit button is pressed without end
    LOCK_FAULT = "lock_fault"  # does not do what it is told
    LOCK_OFFLINE = "lock_offline"  # does not answer: nobody can be let in
    FIRE = "fire"
    POWER_LOST = "power_lost"
    BATTERY_LOW = "battery_low"
    SMOKE = "smoke"
    GAS = "gas"  # that burns
    CO_HIGH = "co_high"
    WATER_LEAK = "water_leak"
    TAMPER = "tamper"  # of any device but the lock
    DEVICE_FAULT = "device_fault"  # a device says so itself
    TEMPERATURE_LOW = "temperature_low"
    TEMPERATURE_HIGH = "temperature_high"
    HUMIDITY_HIGH = "humidity_high"
    CO2_HIGH = "co2_high"
    PM25_HIGH = "pm25_high"
    MOTION_CLOSED = "motion_closed"  # somebody moves inside while the station is closed
    SENSOR_BLIND = "sensor_blind"  # what an alarm is raised by tells no value: it would not be noticed
    READER_GUESSED = "reader_guessed"  # so many bad tries that it waits
    DEVICE_OFFLINE = "device_offline"
    CLOCK_UNTRUSTED = "clock_untrusted"
    SPOOL_FILLING = "spool_filling"
    LOG_BROKEN = "log_broken"  # raised by the hub: a station's events do not follow from each other


class CommandKind(StrEnum):
    DOOR_OPEN = "door.open"
    DOOR_SERVICE = "door.service"
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
