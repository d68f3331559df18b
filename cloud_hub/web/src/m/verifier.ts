/**
 * For tests alone: a station's rules of acceptance, written from docs/membership-code.md and not from the station's code.
 * That both answer alike (vectors.json) is what makes the document enough for somebody else's implementation.
 */
import { fromHex, toHex } from "./code.ts";

export interface KnownKey {
  kid: number;
  algorithm: string;
  public: string;
  not_after: string;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const WINDOW_S = 30;
const ACCEPTED_S = 45;
const DAY_S = 86_400;
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** "accepted", or the reason of the refusal. `keys` are the roster's for the member of the code. */
export async function answer(
  text: string,
  keys: KnownKey[],
  issuers: KnownKey[],
  revoked: string[],
  now: number,
): Promise<string> {
  if (!text.startsWith("U1:")) return "not_a_code";
  const raw = decodeBase45(text.slice(3));
  if (raw === null) return "not_a_code";
  if (raw[0] !== 1) return "code_version";
  if (raw.length !== 81 && raw.length !== 181) return "not_a_code";
  const algorithm = { 1: "es256", 2: "ed25519" }[raw[1]!];
  if (algorithm === undefined) return "code_algorithm";
  const kid = raw[2]!;
  const at = new DataView(raw.buffer).getUint32(11);
  if (at > now + WINDOW_S) return "code_from_future";
  if (at < now - WINDOW_S) return "code_expired";

  return signer({ algorithm, kid, rest: raw.slice(81), signature: raw.slice(17, 81), member: raw.slice(3, 11) }, keys, issuers, revoked, now, [
    ascii("yizhan-code-v1\0"),
    raw.slice(0, 17),
  ]);
}

export interface ShownCode {
  challenge: string;
  age_s: number;
  used?: boolean; // it has let somebody in
  answered_by?: string[]; // SHA-256 of keys
}

/** The same for the answer to a door code; `shown` is what this station has shown since it started. */
export async function answerKnock(
  knock: string,
  station: string,
  shown: ShownCode[],
  keys: KnownKey[],
  issuers: KnownKey[],
  revoked: string[],
  now: number,
): Promise<string> {
  const raw = fromHex(knock);
  if (raw[0] !== 1) return "code_version";
  if (raw.length !== 87 && raw.length !== 187) return "not_a_code";
  const algorithm = { 1: "es256", 2: "ed25519" }[raw[1]!];
  if (algorithm === undefined) return "code_algorithm";
  const code = shown.find((one) => one.challenge === toHex(raw.slice(11, 23)));
  if (code === undefined) return "door_code_unknown";
  if (code.age_s > ACCEPTED_S) return "door_code_expired";
  const parts = { algorithm, kid: raw[2]!, rest: raw.slice(87), signature: raw.slice(23, 87), member: raw.slice(3, 11) };
  const text = [ascii("yizhan-knock-v1\0"), raw.slice(0, 23), ascii(station)];
  let by = "";
  const found = await signer(parts, keys, issuers, revoked, now, text, (key) => (by = key));
  return found === "accepted" && (code.used || code.answered_by?.includes(by)) ? "door_code_used" : found;
}

interface Signed {
  algorithm: string;
  kid: number;
  rest: Uint8Array; // the certificate, or nothing
  signature: Uint8Array;
  member: Uint8Array;
}

/** Whether a phone of the member has signed `text`; `tell` hears the SHA-256 of its key. */
async function signer(
  { algorithm, kid, rest, signature, member }: Signed,
  keys: KnownKey[],
  issuers: KnownKey[],
  revoked: string[],
  now: number,
  text: Uint8Array[],
  tell: (key: string) => void = () => undefined,
): Promise<string> {
  const ends = (key: KnownKey) => Date.parse(key.not_after) / 1000;
  let candidates = keys
    .filter((key) => key.kid === kid && key.algorithm === algorithm && now < ends(key))
    .map((key) => padded(fromHex(key.public)));
  if (rest.length > 0) {
    const holder = rest.slice(0, 33);
    const issuer = issuers.find((one) => one.kid === rest[35]);
    if (issuer === undefined || (await sha256(holder))[0] !== kid) return "certificate_wrong";
    const signed = joined(ascii("yizhan-cert-v1\0"), member, rest.slice(0, 36));
    if (!(await verifies(issuer.algorithm, padded(fromHex(issuer.public)), rest.slice(36), signed)))
      return "certificate_wrong";
    if (candidates.length === 0) {
      const lastDay = new DataView(rest.buffer).getUint16(33);
      if (now >= (lastDay + 1) * DAY_S) return "certificate_expired";
      if (now >= ends(issuer)) return "certificate_wrong";
    } else if (!candidates.some((key) => toHex(key) === toHex(holder))) return "certificate_wrong";
    candidates = [holder];
  }
  if (candidates.length === 0) return "key_unknown";
  for (const key of candidates) {
    if (!(await verifies(algorithm, key, signature, joined(...text)))) continue;
    const name = toHex(await sha256(key));
    tell(name);
    return revoked.includes(name) ? "key_revoked" : "accepted";
  }
  return "signature_wrong";
}

/** Strict: null for a wrong character, length or value. */
export function decodeBase45(text: string): Uint8Array | null {
  if (text.length % 3 === 1) return null;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i += 3) {
    const digits = Array.from(text.slice(i, i + 3), (char) => ALPHABET.indexOf(char));
    if (digits.includes(-1)) return null;
    const value = digits.reduce((sum, digit, place) => sum + digit * 45 ** place, 0);
    if (value > (digits.length === 3 ? 0xffff : 0xff)) return null;
    if (digits.length === 3) bytes.push(value >> 8);
    bytes.push(value & 0xff);
  }
  return Uint8Array.from(bytes);
}

async function verifies(algorithm: string, key: Uint8Array, signature: Uint8Array, text: Uint8Array): Promise<boolean> {
  try {
    if (algorithm === "ed25519") {
      if (key[0] !== 0) return false;
      const imported = await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]);
      return await crypto.subtle.verify("Ed25519", imported, signature as BufferSource, text as BufferSource);
    }
    const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
    const imported = await crypto.subtle.importKey("raw", decompressed(key) as BufferSource, ecdsa, false, ["verify"]);
    const hash = { name: "ECDSA", hash: "SHA-256" };
    return await crypto.subtle.verify(hash, imported, signature as BufferSource, text as BufferSource);
  } catch {
    return false;
  }
}

/** 04 x y of a compressed P-256 point (SEC 1, 2.3.4). */
function decompressed(key: Uint8Array): Uint8Array {
  if (key[0] !== 2 && key[0] !== 3) throw new Error("no compressed point");
  const x = BigInt(`0x${toHex(key.slice(1))}`);
  const square = (((x * x * x - 3n * x + B) % P) + P) % P;
  let y = power(square, (P + 1n) / 4n);
  if ((y * y) % P !== square) throw new Error("not on the curve");
  if ((y & 1n) !== BigInt(key[0] & 1)) y = P - y;
  return joined(Uint8Array.of(4), key.slice(1), fromHex(y.toString(16).padStart(64, "0")));
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % P) if (e & 1n) result = (result * b) % P;
  return result;
}

const sha256 = async (bytes: Uint8Array) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
const padded = (key: Uint8Array) => (key.length === 32 ? joined(Uint8Array.of(0), key) : key);
const ascii = (text: string) => new TextEncoder().encode(text);
const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
