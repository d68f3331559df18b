"""One plain sentence for each reason: what the person at the door should know and do.

The sign shows the Chinese one. It fits one page of 128 x 16 dots: the picture is there after two seconds instead of
four at 9600 baud, and nobody has to wait for a second half.
"""

from __future__ import annotations

from dataclasses import dataclass

from station_agent.wire.kinds import Reason


@dataclass(frozen=True, slots=True)
class Sentence:
    zh: str
    en: str


SENTENCES: dict[Reason, Sentence] = {
    Reason.MEMBER: Sentence("请进", "Welcome, come in"),
    Reason.REMOTE_ORDER: Sentence("门已开,请进", "Opened for you, come in"),
    Reason.NOT_A_CODE: Sentence("请出示会员码", "Please show your membership code"),
    Reason.CODE_VERSION: Sentence("请更新小程序", "Please update the app: its code is of another version"),
    Reason.CODE_ALGORITHM: Sentence("此码不支持", "This station cannot read this kind of code"),
    Reason.CODE_EXPIRED: Sentence("码已过期,请刷新", "The code is too old; show a fresh one"),
    Reason.CODE_FROM_FUTURE: Sentence("请校准手机时间", "The code is from the future; set the phone's clock"),
    Reason.CODE_REPLAYED: Sentence("码已用过,请刷新", "This code was used already; show a fresh one"),
    Reason.SIGNATURE_WRONG: Sentence("码无效,请刷新", "The code is not valid; show a fresh one"),
    Reason.CERTIFICATE_WRONG: Sentence("码无效,请联网", "The code is not valid; go online and refresh it"),
    Reason.CERTIFICATE_EXPIRED: Sentence("请联网更新会员码", "The phone has been offline too long; go online once"),
    Reason.KEY_UNKNOWN: Sentence("请联网更新会员码", "This phone is not known yet; go online once"),
    Reason.CLOCK_UNTRUSTED: Sentence("时钟不准,请刷脸", "The station's clock is not set; use your face, or call"),
    Reason.MEMBER_UNKNOWN: Sentence("未登记,请找工会", "Not a member that this station knows; ask the union"),
    Reason.MEMBER_SUSPENDED: Sentence("已停用,请找工会", "This membership is suspended; ask the union"),
    Reason.MEMBERSHIP_EXPIRED: Sentence("会籍到期,请续期", "This membership has ended; renew it"),
    Reason.ROSTER_TOO_OLD: Sentence("名册过旧,请致电", "The station has been offline too long; please call"),
    Reason.FACES_OFF: Sentence("未开刷脸,请亮码", "Faces are not used here; show your code"),
    Reason.NO_FACE: Sentence("请正对摄像头", "No face was seen; look into the camera"),
    Reason.SEVERAL_FACES: Sentence("请一人面对镜头", "One person at a time, please"),
    Reason.FACE_UNKNOWN: Sentence("未认出,请亮码", "Not recognised; show your code"),
    Reason.FACE_AMBIGUOUS: Sentence("难确认,请亮码", "Not sure who you are; show your code"),
    Reason.CAMERA_SILENT: Sentence("镜头故障,请亮码", "The camera does not answer; show your code"),
    Reason.FACE_ENGINE_SILENT: Sentence("刷脸故障,请亮码", "Faces do not work at this moment; show your code"),
    Reason.CREDENTIAL_LOCKED_OUT: Sentence("尝试过多,请稍候", "Too many tries; wait a minute"),
    Reason.DOOR_OUT_OF_SERVICE: Sentence("此门停用,请致电", "This door is out of service"),
    Reason.LOCK_SILENT: Sentence("门锁故障,请致电", "The lock does not answer; please call"),
}
