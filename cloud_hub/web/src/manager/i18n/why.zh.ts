/** Why the door did (not) open: the questions a station asks, and what helps where the answer is no. */
import type { Answer, Question } from "../../client";

export type Why = {
  title: string;
  granted: string;
  help: string;
  unchecked: string;
  answer: Record<Answer, string>;
  question: Record<Question, string>;
  remedy: Record<Question, string>;
};

export const whyZh: Why = {
  title: "为什么没开门？",
  granted: "为什么开了门？",
  help: "怎么办",
  unchecked: "当时驿站时钟不可信，与时间有关的各项没有核对。请检查 NTP、GNSS 和电池。",
  answer: { yes: "是", no: "否", not_asked: "未问到" },
  question: {
    form: "是会员码，本站能读",
    platform: "平台认可此码（仅平台码）",
    clock: "本站时钟可信",
    roster: "名册够新",
    known: "本站认识此人",
    tries: "错误次数不多",
    fresh: "码是刚生成的",
    shown: "门码是本站刚显示的",
    proven: "由该会员手机生成",
    not_withdrawn: "手机未被撤销",
    unused: "码未用过",
    faces_on: "本站开启刷脸",
    enrolled: "有可比对的已录人脸",
    camera: "摄像头与识别正常",
    seen: "看清一张脸",
    live: "是真人",
    recognised: "认出一位会员",
    in_time: "在有效期内",
    active: "会籍未停用",
    membership: "会籍未到期",
    role: "规则中有该身份",
    way: "该身份可用此方式",
    no_lockdown: "未封站",
    schedule: "在该身份时段内",
    hours: "在开放时间内",
    room: "站内有空位",
    passback: "距上次进门够久",
    both: "码与脸都已出示",
    cold: "按钮此时可开门",
    second_person: "已由第二人确认",
    service: "门在使用中",
    lock: "门锁已执行",
  },
  remedy: {
    form: "请工人打开会员码页面；若用旧版小程序，请更新",
    platform: "查看工会平台与网络；本站会员码不受影响",
    clock: "检查驿站时钟：NTP、GNSS 或电池；期间用刷脸、卡或远程开门",
    roster: "驿站离线过久：检查网络，名册会自动更新",
    known: "确认其为会员并已登记；新会员几秒后下发到驿站",
    tries: "稍候会自动解除；若有人捣乱，请查看图像",
    fresh: "请工人刷新码，并校准手机时间；截屏不可用",
    shown: "请对着门口此刻显示的门码再扫一次；照片和旧码不可用",
    proven: "请工人联网打开一次会员码页面，重新取得证书",
    not_withdrawn: "该手机已被撤销；用新手机登录即可",
    unused: "请工人刷新码",
    faces_on: "本站未开刷脸，请亮码",
    enrolled: "征得本人同意后在此驿站录入人脸，或取消该身份的“码加脸”",
    camera: "查看摄像头与识别引擎的告警",
    seen: "请一人正对镜头；检查光线与镜头是否结霜",
    live: "请按提示动作；照片和屏幕不能开门",
    recognised: "请亮码；必要时重新登记人脸",
    in_time: "延长或重新发放",
    active: "在会员页恢复",
    membership: "请其续期",
    role: "在规则中补上该身份",
    way: "换一种方式，或修改规则",
    no_lockdown: "解除封站，或将该身份设为例外",
    schedule: "查看该身份的时间表",
    hours: "查看开放时间",
    room: "等候，或调整人数上限",
    passback: "稍候片刻即可",
    both: "请接着出示另一种",
    cold: "严寒开放时才可用按钮",
    second_person: "请另一位管理员确认",
    service: "恢复使用，或派人检修",
    lock: "门锁无应答：检查供电与接线",
  },
};
