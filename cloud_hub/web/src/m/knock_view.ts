/** Before a door: finding its code with the camera, being sure which door it is, and what became of it. */
import { h } from "../plain/dom.ts";
import { currentLanguage } from "../plain/language.ts";
import type { KnockOutcome } from "./phone.ts";
import { type Chrome, page } from "./view.ts";
import type { Words } from "./words.ts";

export interface ScanDeeds {
  photo: (file: File) => void;
  back: () => void;
}

/** `video` is null where the camera cannot be used; `hint` says what to do. */
export function scanView(words: Words, chrome: Chrome, video: HTMLVideoElement | null, hint: string, deeds: ScanDeeds): HTMLElement {
  const input = h("input", { type: "file", accept: "image/*", capture: "environment", "data-testid": "door-photo" });
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file !== undefined) deeds.photo(file);
    input.value = "";
  });
  return page(
    words,
    chrome,
    h(
      "section",
      { class: "card scanning" },
      h("h1", {}, words.knock.title),
      h("p", { class: "hint", role: "status" }, hint),
      video ?? h("span", {}),
      h("label", { class: "photo" }, h("span", {}, words.knock.photo), input),
      h("button", { type: "button", class: "quiet plain", onclick: deeds.back }, words.knock.back),
    ),
  );
}

export function askView(words: Words, chrome: Chrome, station: string, open: () => void, back: () => void): HTMLElement {
  return page(
    words,
    chrome,
    h(
      "section",
      { class: "card scanning" },
      h("h1", {}, station),
      h("p", {}, words.knock.here),
      h("button", { type: "button", class: "main", "data-testid": "knock-open", onclick: open }, words.knock.open),
      h("p", { class: "hint" }, words.knock.notMine),
      h("button", { type: "button", class: "quiet plain", onclick: back }, words.knock.no),
    ),
  );
}

export function waitView(words: Words, chrome: Chrome, sentence: string): HTMLElement {
  return page(words, chrome, h("p", { class: "card preparing", role: "status" }, sentence));
}

/** `outcome` of the station, or a sentence where it could not be asked. */
export function outcomeView(words: Words, chrome: Chrome, outcome: KnockOutcome | string, again: () => void, back: () => void): HTMLElement {
  const told = typeof outcome !== "string";
  const granted = told && outcome.outcome === "granted";
  const sentence = told ? (currentLanguage() === "zh" ? outcome.zh : outcome.en) : outcome;
  const retry = h("button", { type: "button", class: "main", onclick: again }, words.knock.again);
  return page(
    words,
    chrome,
    h(
      "section",
      { class: `card outcome ${granted ? "granted" : "denied"}`, role: "alert", "data-testid": "knock-outcome", "data-outcome": granted ? "granted" : "denied" },
      h("span", { class: "mark", "aria-hidden": "true" }, granted ? "✓" : "!"),
      h("p", { class: "hint" }, told ? outcome.station_name : ""),
      h("h1", {}, granted ? words.knock.granted : words.knock.denied),
      h("p", { class: "sentence" }, sentence),
      granted ? null : retry,
      h("button", { type: "button", class: granted ? "main" : "quiet plain", onclick: back }, granted ? words.knock.done : words.knock.back),
    ),
  );
}
