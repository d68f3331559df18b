/**
 * The membership code (会员码) as the phone makes it, without the network.
 *
 *     text = "U1:" + base45(head 17 | signature 64 | certificate 100)
 *     head = ver 1 | alg 1 | kid 1 | member 8 | time 4 (Unix seconds) | nonce 2        big-endian
 *     signature: ES256 (r || s) or Ed25519 of "yizhan-code-v1" 0 head
 *
 * The page makes ES256 keys, which every web view has; it signs with whichever key it is given. The format is owned by station_agent/wire/membership_code.py; vectors.json pins this side to it.
 */
import { encodeBase45 } from "./base45.ts";

export const PREFIX = "U1:";
export const PERIOD_S = 15;
const VERSION = 1;
const ES256 = 1;
const ED25519 = 2;
const ECDSA = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;
const DOMAIN = new TextEncoder().encode("yizhan-code-v1\0");

export interface Holder {
  member: string; // 16 hex digits
  kid: number;
  certificate: Uint8Array | null; // 100 bytes
  privateKey: CryptoKey;
}

/** The private half cannot leave the browser: not extractable, kept as a handle. */
export async function newKeyPair(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"])) as CryptoKeyPair;
}

/** 33 bytes: the compressed point, as it stands in certificates and rosters. */
export async function compressedPublic(key: CryptoKey): Promise<Uint8Array> {
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", key)); // 04 | x 32 | y 32
  const compressed = new Uint8Array(33);
  compressed[0] = 2 + (point[64]! & 1);
  compressed.set(point.subarray(1, 33), 1);
  return compressed;
}

export async function kidOf(compressed: Uint8Array): Promise<number> {
  const digest = await crypto.subtle.digest("SHA-256", compressed as BufferSource);
  return new Uint8Array(digest)[0]!;
}

export function headOf(member: string, kid: number, unixSeconds: number, nonce: Uint8Array, alg = ES256): Uint8Array {
  const head = new Uint8Array(17);
  head.set([VERSION, alg, kid]);
  head.set(fromHex(member), 3);
  new DataView(head.buffer).setUint32(11, unixSeconds);
  head.set(nonce, 15);
  return head;
}

/** What the phone's key signs. */
export function signedText(head: Uint8Array): Uint8Array {
  return joined(DOMAIN, head);
}

export async function makeCode(holder: Holder, unixSeconds: number, nonce: Uint8Array): Promise<string> {
  const { alg, sign } = signedBy(holder.privateKey);
  const head = headOf(holder.member, holder.kid, unixSeconds, nonce, alg);
  return PREFIX + encodeBase45(joined(head, await sign(signedText(head)), holder.certificate ?? new Uint8Array()));
}

/** The `alg` byte of a key, and how it signs: 64 bytes. */
export function signedBy(key: CryptoKey): { alg: number; sign: (text: Uint8Array) => Promise<Uint8Array> } {
  const edwards = key.algorithm.name === "Ed25519";
  return {
    alg: edwards ? ED25519 : ES256,
    sign: async (text) => new Uint8Array(await crypto.subtle.sign(edwards ? "Ed25519" : SIGNING, key, text as BufferSource)),
  };
}

export function randomNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(2));
}

export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error(`not hex: ${text.slice(0, 20)}`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
