/** The phone's dealings with the hub: one session, one key, one certificate. Everything else is offline. */
import { getJson, postJson, Problem, request } from "../plain/http.ts";
import { compressedPublic, fromHex, newKeyPair, toHex } from "./code.ts";
import { type DoorCode, makeKnock } from "./knock.ts";
import { keep, type Kept, loadKept } from "./store.ts";

const API = "/api/v1";
const RENEW_BEFORE_MS = 7 * 86_400_000;
const CLOCK_AGREES_MS = 3000;

export interface Person {
  member: string;
  name: string;
  occupation: string;
}

export interface Visit {
  at: string;
  station: string;
  station_name: string;
  credential: string;
}

interface Me extends Person {
  server_time: string;
}

interface Registered {
  kid: number;
  certificate: string;
  not_after: string;
}

export const openWithTicket = (ticket: string) => postJson<unknown>(`${API}/phone/session`, { ticket });
export const demoMembers = () => getJson<Person[]>(`${API}/demo/members`);
export const visits = async () => (await getJson<{ items: Visit[] }>(`${API}/phone/visits`)).items;

/** A phone of the member; `own`: this one. */
export interface PhoneRow {
  public: string;
  created_at: string;
  revoked_at: string | null;
  own: boolean;
}

export interface FaceData {
  faces: { station: string; station_name: string; templates: number; consent_until: string }[];
  erasures: { id: string; station_name: string; asked_at: string; receipt: { at: string; templates: number } | null }[];
}
/** Phones whose keys may still open, this one first. */
export async function phones(kept: Kept): Promise<PhoneRow[]> {
  const own = await publicOf(kept.keys);
  const rows = await getJson<PhoneRow[]>(`${API}/phone/keys`);
  return rows
    .filter((row) => row.revoked_at === null)
    .map((row) => ({ ...row, own: row.public === own }))
    .sort((one, other) => Number(other.own) - Number(one.own));
}

/** That phone was lost: it opens nothing any more. */
export const revokePhone = (publicKey: string) => request("DELETE", `${API}/phone/keys/${publicKey}`);

export const faceData = () => getJson<FaceData>(`${API}/phone/face`);
export const eraseFace = () => postJson<FaceData>(`${API}/phone/face/erase`, {});

/** What a station has decided, and its sentence for whoever stands there. */
export interface KnockOutcome {
  station_name: string;
  outcome: "granted" | "denied";
  reason: string;
  zh: string;
  en: string;
}

export const doorOf = (station: string) =>
  getJson<{ station_name: string; online: boolean; shows_door_code: boolean }>(`${API}/phone/doors/${station}`);

/** Answers a door's code with the key that this phone keeps, and waits for what the door does. */
export async function knockAt(code: DoorCode): Promise<KnockOutcome> {
  const kept = await loadKept();
  if (kept === null) throw new Problem(401, "no key in this browser");
  const knock = await makeKnock({ ...kept, privateKey: kept.keys.privateKey }, code);
  return postJson<KnockOutcome>(`${API}/phone/knocks`, { door_code: code.text, knock: toHex(knock) });
}

export async function demoTicket(member: string): Promise<string> {
  const { url } = await postJson<{ url: string }>(`${API}/demo/phone-ticket`, { member });
  const ticket = new URL(url, location.href).searchParams.get("t");
  if (ticket === null) throw new Problem(500, "no ticket in the hub's answer");
  return ticket;
}

/**
 * Makes what is kept fit the session: registers a new key for a new member or after a revocation, renews a certificate
 * that ends soon or that the hub has forgotten.
 */
export async function synchronise(): Promise<Kept> {
  const before = await loadKept();
  const asked = Date.now();
  const me = await getJson<Me>(`${API}/phone/me`);
  const clockOffsetMs = clockOffset(Date.parse(me.server_time), (asked + Date.now()) / 2);
  const same = before !== null && before.member === me.member;
  const known = same ? await standingOf(before.keys) : "unknown";
  if (same && known === "good" && Date.parse(before.notAfter) - Date.now() > RENEW_BEFORE_MS) {
    const kept = { ...before, name: me.name, occupation: me.occupation, clockOffsetMs };
    await keep(kept);
    return kept;
  }
  const keys = same && known !== "revoked" ? before.keys : await newKeyPair();
  const registered = await postJson<Registered>(`${API}/phone/keys`, {
    algorithm: "es256",
    public: await publicOf(keys),
  });
  const kept: Kept = {
    member: me.member,
    name: me.name,
    occupation: me.occupation,
    keys,
    kid: registered.kid,
    certificate: fromHex(registered.certificate),
    notAfter: registered.not_after,
    clockOffsetMs,
  };
  await keep(kept);
  return kept;
}

async function standingOf(keys: CryptoKeyPair): Promise<"good" | "revoked" | "unknown"> {
  const own = await publicOf(keys);
  const row = (await getJson<PhoneRow[]>(`${API}/phone/keys`)).find((one) => one.public === own);
  if (row === undefined) return "unknown";
  return row.revoked_at === null ? "good" : "revoked";
}

const publicOf = async (keys: CryptoKeyPair) => toHex(await compressedPublic(keys.publicKey));

/** Hub's clock minus the phone's; 0 where they agree within 3 s, as a code holds for 30. */
function clockOffset(hubMs: number, phoneMs: number): number {
  const offset = hubMs - phoneMs;
  return Math.abs(offset) < CLOCK_AGREES_MS ? 0 : Math.round(offset);
}
