/** The phone's side of the membership code against the contract's (vectors made by membership_code.py). */
import { encode } from "uqr";
import { describe, expect, it } from "vitest";
import { encodeBase45 } from "./base45.ts";
import { compressedPublic, fromHex, headOf, kidOf, makeCode, newKeyPair, signedText, toHex } from "./code.ts";
import { answer, decodeBase45 } from "./verifier.ts";
import vectors from "./vectors.json";

const EC = { name: "ECDSA", namedCurve: "P-256" } as const;
const ALGS: Record<string, number> = { es256: 1, ed25519: 2 };

describe.each(vectors.codes)("code of $member at $time", (vector) => {
  const edwards = vector.algorithm === "ed25519";
  const head = headOf(vector.member, vector.kid, vector.time, fromHex(vector.nonce), ALGS[vector.algorithm]);

  it("has the head that the contract gives it", () => {
    expect(toHex(head)).toBe(vector.head);
  });

  it("has the text that the contract spells", () => {
    expect(`U1:${encodeBase45(fromHex(vector.bytes))}`).toBe(vector.text);
  });

  it("signs the text that the contract signs", async () => {
    const publicKey = await importPublic(vector.public_raw, edwards);
    const signature = fromHex(vector.bytes).slice(17, 81);
    const how = edwards ? "Ed25519" : { name: "ECDSA", hash: "SHA-256" };
    expect(await crypto.subtle.verify(how, publicKey, signature, signedText(head) as BufferSource)).toBe(true);
  });

  it("names the key as the contract does", async () => {
    const key = fromHex(vector.public_raw);
    const named = edwards ? Uint8Array.of(0, ...key) : await compressedPublic(await importPublic(vector.public_raw, false));
    expect(toHex(named)).toBe(vector.public);
    expect(await kidOf(named)).toBe(vector.kid);
  });

  it.runIf(edwards)("signs the very same bytes, for Ed25519 has one signature for a text", async () => {
    const privateKey = await crypto.subtle.importKey("pkcs8", fromHex(vector.private_pkcs8) as BufferSource, "Ed25519", false, ["sign"]);
    const certificate = vector.certificate === null ? null : fromHex(vector.certificate);
    const holder = { member: vector.member, kid: vector.kid, certificate, privateKey };
    expect(await makeCode(holder, vector.time, fromHex(vector.nonce))).toBe(vector.text);
  });
});

it.each(vectors.cases)("a station's answer to: $name", async ({ text, now, keys, expect: expected, ...rest }) => {
  const revoked = "revoked" in rest ? (rest.revoked as string[]) : [];
  expect(await answer(text, keys, vectors.issuers, revoked, now)).toBe(expected);
});

it("a code with its certificate is a version 10 QR in the alphanumeric mode", async () => {
  const keys = await newKeyPair();
  const holder = { member: "0123456789abcdef", kid: 7, certificate: new Uint8Array(100), privateKey: keys.privateKey };
  const text = await makeCode(holder, 1_780_000_000, fromHex("abcd"));
  expect(text).toHaveLength(3 + 272);
  expect(encode(text, { ecc: "M", boostEcc: false }).version).toBe(10);
});

it("the private key does not leave the browser", async () => {
  const { privateKey } = await newKeyPair();
  expect(privateKey.extractable).toBe(false);
  await expect(crypto.subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
});

it.each(vectors.base45)("base45 of $hex", ({ hex, text }) => {
  expect(encodeBase45(fromHex(hex))).toBe(text);
  expect(toHex(decodeBase45(text)!)).toBe(hex);
});

function importPublic(raw: string, edwards: boolean): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", fromHex(raw) as BufferSource, edwards ? "Ed25519" : EC, true, ["verify"]);
}
