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
    Reason.STAFF: Sentence("请进", "Come in"),
    Reason.GUEST: Sentence("欢迎,请进", "Welcome, come in"),
    Reason.COLD_OPEN: Sentence("天寒,请进", "It is very cold: come in, the door is open to everybody"),
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
    Reason.KEY_REVOKED: Sentence("此手机已停用", "This phone's code was withdrawn; ask the union"),
    Reason.DOOR_CODE_UNKNOWN: Sentence("请重扫门码", "Scan the code that stands at this door now"),
    Reason.DOOR_CODE_EXPIRED: Sentence("门码已换,请重扫", "The door's code has changed; scan it again"),
    Reason.DOOR_CODE_USED: Sentence("门码用过,请重扫", "This door code was used already; scan the new one"),
    Reason.PLATFORM_REFUSED: Sentence("平台未通过此码", "The platform that made this code does not accept it"),
    Reason.PLATFORM_SILENT: Sentence("平台未应答", "The platform that made this code does not answer; show another"),
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
    Reason.FACE_NOT_LIVE: Sentence("不似真人,请亮码", "Not surely a living person; show your code"),
    Reason.CHALLENGE_MISSED: Sentence("未见动作,请重试", "The movement was not seen; try again, or show your code"),
    Reason.CAMERA_SILENT: Sentence("镜头故障,请亮码", "The camera does not answer; show your code"),
    Reason.FACE_ENGINE_SILENT: Sentence("刷脸故障,请亮码", "Faces do not work at this moment; show your code"),
    Reason.FACE_AFTER_CODE: Sentence("请先出示会员码", "First show your membership code, then look into the camera"),
    Reason.FACE_OTHER: Sentence("人脸与码不符", "This face is not that of the code's member; show your own code"),
    Reason.FACE_NOT_ENROLLED: Sentence("未录人脸,请致电", "Your face is not enrolled here; please call"),
    Reason.FACE_CHECK_SILENT: Sentence("刷脸故障,请致电", "Your face cannot be checked at this moment; please call"),
    Reason.CARD_UNKNOWN: Sentence("卡未登记,请亮码", "This card is not known here; show your code"),
    Reason.PIN_UNKNOWN: Sentence("号码不对,请重输", "Not a number that opens this door; type it again"),
    Reason.GUEST_CODE_UNKNOWN: Sentence("访客码无效", "This guest code is not for this station"),
    Reason.GUEST_CODE_USED: Sentence("访客码已用完", "This guest code was used already; ask for a new one"),
    Reason.NOT_YET_VALID: Sentence("还未到生效时间", "It is not valid yet; come back later"),
    Reason.NO_LONGER_VALID: Sentence("已过有效期", "It is no longer valid; ask for a new one"),
    Reason.ROLE_UNKNOWN: Sentence("权限未设,请致电", "The station does not know your rights yet; please call"),
    Reason.CREDENTIAL_NOT_ALLOWED: Sentence("请换一种方式", "Not by this; use another way to enter"),
    Reason.FACE_NEEDED: Sentence("请再看摄像头", "Now look into the camera as well"),
    Reason.CODE_NEEDED: Sentence("请再出示会员码", "Now show your membership code as well"),
    Reason.OUTSIDE_SCHEDULE: Sentence("不在允许时段", "Not at this time of day; see your hours"),
    Reason.STATION_CLOSED: Sentence("未到开放时间", "The station is closed at this hour"),
    Reason.STATION_FULL: Sentence("人数已满,请稍候", "The station is full; wait until somebody leaves"),
    Reason.LOCKDOWN: Sentence("临时封闭,请致电", "The station is closed for the moment; please call"),
    Reason.PASSBACK_WAIT: Sentence("刚进过,请稍候", "You have just entered; wait half a minute"),
    Reason.BUTTON_NOT_NOW: Sentence("请亮码或刷脸", "Show your code, your card or your face"),
    Reason.SECOND_PERSON_NEEDED: Sentence("需第二人确认", "A second person has to confirm it"),
    Reason.READER_LOCKED_OUT: Sentence("尝试过多,请稍候", "Too many wrong tries here; wait a little"),
    Reason.CREDENTIAL_LOCKED_OUT: Sentence("尝试过多,请稍候", "Too many tries; wait a minute"),
    Reason.DOOR_OUT_OF_SERVICE: Sentence("此门停用,请致电", "This door is out of service"),
    Reason.LOCK_SILENT: Sentence("门锁故障,请致电", "The lock does not answer; please call"),
}
