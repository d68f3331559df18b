/** Every sentence exists in both languages, with the same places to fill in. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { WORDS as DOOR } from "../../door/words.ts";
import { WORDS as PHONE } from "../../m/words.ts";
import { OCCUPATIONS } from "../../plain/occupations.ts";
import { en } from "./en.ts";
import { zh } from "./zh.ts";

type Tree = { [key: string]: unknown };

/** Path -> the places of a sentence: `{{who}}`, or the number of a function's arguments. */
function placesOf(tree: Tree, path = ""): Map<string, string> {
  const places = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const here = `${path}${key}`;
    if (typeof value === "string") {
      expect(value.trim(), here).not.toBe("");
      places.set(here, [...value.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort().join());
    } else if (typeof value === "function") places.set(here, `${value.length} arguments`);
    else for (const [inner, found] of placesOf(value as Tree, `${here}.`)) places.set(inner, found);
  }
  return places;
}

it.each([
  ["manager", zh, en],
  ["worker", PHONE.zh, PHONE.en],
  ["door", DOOR.zh, DOOR.en],
  ["occupations", OCCUPATIONS.zh, OCCUPATIONS.en],
])("%s page: both languages say the same things", (_, chinese, english) => {
  expect(placesOf(english as Tree)).toEqual(placesOf(chinese as Tree));
});

it("no Chinese is left in the English sentences", () => {
  const chinese = /[\u4e00-\u9fff]/;
  const found = JSON.stringify({ ...en, language: "" }).match(chinese);
  expect(found).toBeNull();
});

it("every alarm that a station can raise has its words", () => {
  const contract = JSON.parse(readFileSync(new URL("../../../../../config/schema/openapi.json", import.meta.url), "utf8"));
  const kinds: string[] = contract.components.schemas.AlarmKind.enum;
  expect(Object.keys(zh.alarm).sort()).toEqual([...kinds].sort());
});
