/**
 * The other way round: the door shows a rotating code (门码), and this phone answers it with a knock (敲门).
 *
 *     door code = base64url(ver 1 | challenge 12 | station ASCII), behind `/m#d=` of a link
 *     knock     = head 23 | signature 64 | certificate 100        head = ver 1 | alg 1 | kid 1 | member 8 | challenge 12
 *     signature: of "yizhan-knock-v1" 0 head station
 *
 * The format is owned by station_agent/wire/door_code.py; door_vectors.json pins this side to it.
 */
import { fromHex, type Holder, joined, signedBy } from "./code.ts";

const VERSION = 1;
const CHALLENGE = 12;
const TEXT_MAX = 60;
const LINK = /^https?:\/\/[^\s#]+\/m#d=([\w-]+)$/;
const DOMAIN = new TextEncoder().encode("yizhan-knock-v1\0");

export interface DoorCode {
  text: string; // as it stands behind #d=
  challenge: Uint8Array;
  station: string;
}

/** The door code of a scanned link; null for a QR that is none. */
export function doorCodeOfLink(scanned: string): DoorCode | null {
  const found = LINK.exec(scanned);
  return found === null ? null : parseDoorCode(found[1]!);
}

/** Strict: one spelling per code. Null for what is none. */
export function parseDoorCode(text: string): DoorCode | null {
  if (text.length > TEXT_MAX) return null;
  const raw = fromBase64url(text);
  if (raw === null || raw[0] !== VERSION) return null;
  const station = String.fromCharCode(...raw.subarray(1 + CHALLENGE));
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(station)) return null;
  return { text, challenge: raw.slice(1, 1 + CHALLENGE), station };
}

export function knockHead(member: string, kid: number, challenge: Uint8Array, alg: number): Uint8Array {
  return joined(Uint8Array.of(VERSION, alg, kid), fromHex(member), challenge);
}

/** What the phone's key signs. */
export function knockText(head: Uint8Array, station: string): Uint8Array {
  return joined(DOMAIN, head, new TextEncoder().encode(station));
}

export async function makeKnock(holder: Holder, code: DoorCode): Promise<Uint8Array> {
  const { alg, sign } = signedBy(holder.privateKey);
  const head = knockHead(holder.member, holder.kid, code.challenge, alg);
  return joined(head, await sign(knockText(head, code.station)), holder.certificate ?? new Uint8Array());
}

function fromBase64url(text: string): Uint8Array | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const raw = Uint8Array.from(bytes, (char) => char.charCodeAt(0));
    return toBase64url(raw) === text ? raw : null;
  } catch {
    return null;
  }
}

function toBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
