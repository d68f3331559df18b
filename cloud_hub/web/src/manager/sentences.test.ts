/** Every kind of event becomes a sentence in both languages, with nothing left to fill in. */
import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import type { Reason } from "../client";
import type { TimelineItem } from "./api.ts";
import { en } from "./i18n/en.ts";
import { zh } from "./i18n/zh.ts";
import { ago, sentenceOf } from "./words.ts";

const BASE = { id: "1", station: "demo-01", seq: 1, at: "2026-01-31T08:00:00Z", member_name: null };
const ATTEMPT = { attempt: "00000000-0000-0000-0000-000000000000", reader: "scanner", detail: "" } as const;
const UNTIL = "2027-01-31T08:00:00Z";

const ITEMS = [
  { kind: "access.decided", body: { ...ATTEMPT, credential: "code", outcome: "granted", reason: "member", member: "0d00000000000001" } },
  { kind: "access.decided", body: { ...ATTEMPT, credential: "face", outcome: "denied", reason: "face_unknown" } },
  { kind: "door.changed", body: { door: "main", state: "forced", previous: "secured", contact_open: true } },
  { kind: "door.exited", body: { door: "main", how: "button" } },
  { kind: "door.retried", body: { door: "main", pulse: 1, detail: "the bolt stays out" } },
  { kind: "door.selftest", body: { door: "main", openable: false, reasons: ["the lock does not answer"] } },
  { kind: "door.selftest", body: { door: "main", openable: true, warnings: ["never seen to release"], released_at: null } },
  { kind: "door.service", body: { door: "main", in_service: false, actor: "admin", reason: "painting" } },
  { kind: "visit.counted", body: { ...ATTEMPT, credential: "code", member: "0d00000000000001" } },
  { kind: "alarm.raised", body: { alarm: "door_forced", subject: "main", detail: "opened without a grant" } },
  { kind: "alarm.cleared", body: { alarm: "door_forced", subject: "main" } },
  { kind: "device.health", body: { device: "climate", online: false, detail: "silent" } },
  { kind: "command.progress", body: { command: ATTEMPT.attempt, status: "done", detail: "", result: {} } },
  { kind: "agent.started", body: { version: "0.1.0", door_found: "secured" } },
  { kind: "roster.applied", body: { version: 7, members: 24 } },
  { kind: "rules.applied", body: { version: 3 } },
  { kind: "access.decided", body: { ...ATTEMPT, credential: "card", outcome: "granted", reason: "staff", remarks: ["over_capacity"] } },
  { kind: "access.decided", body: { ...ATTEMPT, credential: "button", outcome: "granted", reason: "cold_open", remarks: [] } },
  { kind: "face.enrolled", body: { member: "0d00000000000001", templates: 3, consent_until: UNTIL } },
  { kind: "face.erased", body: { member: "0d00000000000001", templates: 3 } },
  { kind: "input.rejected", body: { source: "scanner", reason: "not base45", count: 3 } },
  { kind: "other", reported_kind: "smoke.seen", body: {} },
].map((item) => ({ ...BASE, ...item }) as unknown as TimelineItem);

beforeAll(async () => {
  const resources = { zh: { translation: zh }, en: { translation: en } };
  await i18next.init({ lng: "zh", resources, interpolation: { escapeValue: false }, returnObjects: true });
});

describe.each(["zh", "en"])("in %s", (language) => {
  const t = () => i18next.getFixedT(language);

  it.each(ITEMS)("$kind is a whole sentence", (item) => {
    const { text } = sentenceOf(t(), item);
    expect(text.length).toBeGreaterThan(5);
    expect(text).not.toMatch(/\{\{|\}\}|undefined|event\.|reason\./);
  });

  it.each(Object.keys(zh.reason) as Reason[])("a denial for %s tells why", (reason) => {
    const item = { ...BASE, kind: "access.decided", body: { ...ATTEMPT, credential: "code", outcome: "denied", reason } };
    const said = sentenceOf(t(), item as TimelineItem).text;
    expect(said).toContain((language === "zh" ? zh : en).reason[reason]);
  });
});

it("a known member is called by name, an unknown one by what the station knows", () => {
  const [granted] = ITEMS;
  const t = i18next.getFixedT("zh");
  expect(sentenceOf(t, { ...granted!, member_name: "王秀兰" }).text).toContain("王秀兰");
  expect(sentenceOf(t, granted!).text).toContain("0d00000000000001");
});

it.each([
  [30, "刚刚"],
  [5 * 60, "5 分钟前"],
  [3 * 3600, "3 小时前"],
  [3 * 86_400, "3 天前"],
])("%i seconds ago is told as %s", (seconds, said) => {
  const now = Date.parse(BASE.at) + seconds * 1000;
  expect(ago(i18next.getFixedT("zh"), BASE.at, now)).toBe(said);
});
