/** Times and sentences that several parts of the manager's page say. */
import dayjs from "dayjs";
import type { TFunction } from "i18next";
import type { TimelineItem } from "./api.ts";

export type Tone = "good" | "info" | "warn" | "bad" | "quiet";

export interface Sentence {
  text: string;
  tone: Tone;
  detail?: string;
}

export const clock = (iso: string) => dayjs(iso).format("HH:mm:ss");
export const moment = (iso: string) => dayjs(iso).format("MM-DD HH:mm");
/** The time today, the date and time before. */
export const when = (iso: string) => (dayjs().isSame(iso, "day") ? clock(iso) : moment(iso));
export const day = (iso: string) => dayjs(iso).format("YYYY-MM-DD");

/** A role of the rules: the built-in ones in words, others by the name that they were given. */
export const roleName = (t: TFunction, role: string) => t("rules.roles", { returnObjects: true })[role] ?? role;

export function ago(t: TFunction, iso: string, now = Date.now()): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (minutes < 1) return t("common.ago.now");
  if (minutes < 60) return t("common.ago.minutes", { count: minutes });
  if (minutes < 48 * 60) return t("common.ago.hours", { count: Math.floor(minutes / 60) });
  return t("common.ago.days", { count: Math.floor(minutes / 1440) });
}

/** One event as one plain sentence, with the colour that says how good it is. */
export function sentenceOf(t: TFunction, item: TimelineItem): Sentence {
  const named = (member?: string | null) => item.member_name ?? member ?? t("event.someone");
  switch (item.kind) {
    case "access.decided": {
      const { credential, outcome, reason, member, reader, detail, remarks = [] } = item.body;
      const places = { who: named(member), reason: t(`reason.${reason}`), reader };
      if (outcome === "granted") {
        const cold = reason === "cold_open";
        const text = cold ? t("event.cold", { credential: t(`credential.${credential}`) }) : t(`event.granted.${credential}`, places);
        if (remarks.length === 0) return { text, tone: cold ? "info" : "good" };
        const said = remarks.map((remark) => t(`event.remark.${remark}`)).join("; ");
        return { text: t("event.remarked", { text, remarks: said }), tone: "warn" };
      }
      return { text: t(`event.denied.${credential}`, places), tone: "warn", detail };
    }
    case "door.changed": {
      const { state } = item.body;
      const bad = state === "forced" || state === "jammed" || state === "emergency";
      const tone = bad ? "bad" : state === "held_open" ? "warn" : state === "secured" ? "quiet" : "info";
      return { text: t(`event.door.${state}`), tone };
    }
    case "door.exited":
      return { text: t(`event.exited.${item.body.how}`), tone: "quiet" };
    case "door.retried":
      return { text: t("event.retried", { pulse: item.body.pulse }), tone: "warn", detail: item.body.detail };
    case "door.selftest": {
      const { openable, reasons = [], warnings = [] } = item.body;
      const tone = !openable ? "bad" : warnings.length > 0 ? "warn" : "quiet";
      const said = [...reasons, ...warnings].join("; ");
      return { text: t(`event.selftest.${openable ? "passed" : "failed"}`), tone, detail: said };
    }
    case "door.service": {
      const { in_service, actor, reason } = item.body;
      return { text: t(`event.service.${in_service ? "in" : "out"}`, { actor }), tone: "warn", detail: reason };
    }
    case "visit.counted": {
      const { member, credential } = item.body;
      return { text: t("event.visit", { who: named(member), credential: t(`credential.${credential}`) }), tone: "good" };
    }
    case "alarm.raised":
      return {
        text: t("event.alarmRaised", { alarm: t(`alarm.${item.body.alarm}`), subject: item.body.subject }),
        tone: "bad",
        detail: item.body.detail,
      };
    case "alarm.cleared":
      return { text: t("event.alarmCleared", { alarm: t(`alarm.${item.body.alarm}`), subject: item.body.subject }), tone: "good" };
    case "device.health": {
      const { device, online, detail } = item.body;
      return { text: t(online ? "event.deviceOn" : "event.deviceOff", { device }), tone: online ? "good" : "warn", detail: online ? "" : detail };
    }
    case "command.progress":
      return { text: t("event.command", { command: t("station.commands"), status: t(`status.${item.body.status}`) }), tone: "quiet", detail: item.body.detail };
    case "agent.started":
      return { text: t("event.started", { version: item.body.version, door: t(`door.${item.body.door_found}`) }), tone: "info" };
    case "roster.applied":
      return { text: t("event.roster", { version: item.body.version, count: item.body.members }), tone: "quiet" };
    case "rules.applied":
      return { text: t("event.rules", { version: item.body.version }), tone: "quiet" };
    case "face.enrolled":
      return { text: t("event.enrolled", { who: named(item.body.member), until: day(item.body.consent_until) }), tone: "info" };
    case "face.erased":
      return { text: t("event.erased", { who: named(item.body.member), count: item.body.templates }), tone: "info" };
    case "input.rejected":
      return { text: t("event.rejected", item.body), tone: "warn" };
    case "other":
      return { text: t("event.other", { kind: item.reported_kind }), tone: "quiet" };
    default:
      return unknown(item);
  }
}

function unknown(item: never): Sentence {
  return { text: JSON.stringify(item), tone: "quiet" };
}
