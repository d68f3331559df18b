/** The phone's side of the membership code against the contract's (vectors made by membership_code.py). */
import { encode } from "uqr";
import { describe, expect, it } from "vitest";
import { encodeBase45 } from "./base45.ts";
import { compressedPublic, fromHex, headOf, kidOf, makeCode, newKeyPair, signedText, toHex } from "./code.ts";
import vectors from "./vectors.json";

const EC = { name: "ECDSA", namedCurve: "P-256" } as const;

describe.each(vectors.codes)("code of $member at $time", (vector) => {
  const head = headOf(vector.member, vector.kid, vector.time, fromHex(vector.nonce));

  it("has the head that the contract gives it", () => {
    expect(toHex(head)).toBe(vector.head);
  });

  it("has the text that the contract spells", () => {
    expect(`U1:${encodeBase45(fromHex(vector.bytes))}`).toBe(vector.text);
  });

  it("signs the text that the contract signs", async () => {
    const publicKey = await importPublic(vector.public_point);
    const signature = fromHex(vector.bytes).slice(17, 81);
    const hash = { name: "ECDSA", hash: "SHA-256" };
    expect(await crypto.subtle.verify(hash, publicKey, signature, signedText(head) as BufferSource)).toBe(true);
  });

  it("names the key as the contract does", async () => {
    const compressed = await compressedPublic(await importPublic(vector.public_point));
    expect(toHex(compressed)).toBe(vector.public);
    expect(await kidOf(compressed)).toBe(vector.kid);
  });
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
});

function importPublic(point: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", fromHex(point) as BufferSource, EC, true, ["verify"]);
}
