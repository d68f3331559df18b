/** The phone's side of the door code against the contract's (vectors made by door_code.py). */
import { expect, it } from "vitest";
import { fromHex, toHex } from "./code.ts";
import vectors from "./door_vectors.json";
import { doorCodeOfLink, knockHead, knockText, makeKnock, parseDoorCode } from "./knock.ts";
import { answerKnock, type ShownCode } from "./verifier.ts";
import codes from "./vectors.json";

const ALGS: Record<string, number> = { es256: 1, ed25519: 2 };

it.each(vectors.door_codes)("the door code of $station is read from its link", ({ station, challenge, text, link }) => {
  const code = doorCodeOfLink(link);
  expect(code).toEqual({ text, station, challenge: fromHex(challenge) });
  expect(parseDoorCode(text)).toEqual(code);
});

it.each(vectors.not_door_codes)("%j is no door code", (text) => {
  expect(parseDoorCode(text)).toBeNull();
});

it.each([
  vectors.door_codes[0]!.text,
  `${vectors.door_codes[0]!.link}&x`,
  ` ${vectors.door_codes[0]!.link}`,
  vectors.door_codes[0]!.link.replace("/m#", "/n#"),
  vectors.door_codes[0]!.link.replace("https:", "weixin:"),
  "https://u.wechat.com/abc",
])("%s is not the link of a door", (scanned) => {
  expect(doorCodeOfLink(scanned)).toBeNull();
});

it.each(vectors.knocks)("a knock of $algorithm at $station has the bytes that the contract gives it", async (vector) => {
  const head = knockHead(vector.member, vector.kid, fromHex(vector.challenge), ALGS[vector.algorithm]!);
  expect(toHex(head)).toBe(vector.head);
  expect(toHex(knockText(head, vector.station))).toBe(vector.signed);
  if (vector.algorithm !== "ed25519") return; // Ed25519 has one signature for a text
  const privateKey = await crypto.subtle.importKey("pkcs8", fromHex(vector.private_pkcs8) as BufferSource, "Ed25519", false, ["sign"]);
  const certificate = vector.certificate === null ? null : fromHex(vector.certificate);
  const holder = { member: vector.member, kid: vector.kid, certificate, privateKey };
  expect(toHex(await makeKnock(holder, parseDoorCode(vector.door_code)!))).toBe(vector.knock);
});

it.each(vectors.cases)("a station's answer to: $name", async ({ knock, station, shown, keys, now, expect: expected, ...rest }) => {
  const revoked = "revoked" in rest ? (rest.revoked as string[]) : [];
  expect(await answerKnock(knock, station, shown as ShownCode[], keys, codes.issuers, revoked, now)).toBe(expected);
});
