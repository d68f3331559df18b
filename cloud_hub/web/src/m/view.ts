/** What the worker sees: large, high in contrast, nothing to learn. */
import { h, svg } from "../plain/dom.ts";
import { currentLanguage } from "../plain/language.ts";
import { occupationName } from "../plain/occupations.ts";
import type { FaceData, Person, PhoneRow, Visit } from "./phone.ts";
import { qrPicture } from "./qr.ts";
import type { Kept } from "./store.ts";
import type { Words } from "./words.ts";

export interface Chrome {
  switchLanguage: () => void;
}

export interface CodeView {
  element: HTMLElement;
  setCode: (text: string) => void;
  setAge: (share: number, secondsLeft: number) => void;
  setOnline: (online: boolean) => void;
  setVisits: (visits: Visit[] | null) => void;
  setFace: (data: FaceData | null) => void;
  setPhones: (phones: PhoneRow[] | null) => void;
}

const LARGE = "yizhan.large";
const RING = 2 * Math.PI * 20;
const EXPIRING_MS = 3 * 86_400_000;

export function page(words: Words, chrome: Chrome, ...content: HTMLElement[]): HTMLElement {
  const large = () => document.documentElement.classList.contains("large");
  const toggle = h("button", { type: "button", class: "quiet", onclick: switchSize }, large() ? words.normal : words.large);
  function switchSize() {
    document.documentElement.classList.toggle("large");
    localStorage.setItem(LARGE, String(large()));
    toggle.textContent = large() ? words.normal : words.large;
  }
  return h(
    "div",
    { class: "page" },
    h(
      "header",
      {},
      h("span", { class: "brand" }, words.brand),
      h("span", { class: "tools" }, toggle, h("button", { type: "button", class: "quiet", onclick: chrome.switchLanguage }, words.language)),
    ),
    ...content,
  );
}

export function preparingView(words: Words, chrome: Chrome): HTMLElement {
  return page(words, chrome, h("p", { class: "card preparing", role: "status" }, words.preparing));
}

export function failureView(words: Words, chrome: Chrome, sentence: string, retry: () => void): HTMLElement {
  return page(
    words,
    chrome,
    h(
      "section",
      { class: "card failure", role: "alert" },
      h("h1", {}, words.errors.title),
      h("p", {}, sentence),
      h("button", { type: "button", class: "main", onclick: retry }, words.retry),
    ),
  );
}

export function chooseView(words: Words, chrome: Chrome, people: Person[], pick: (member: string) => void): HTMLElement {
  const buttons = people.map((person) =>
    h(
      "button",
      { type: "button", class: "person", "data-member": person.member, onclick: () => pick(person.member) },
      h("span", { class: "initial", "aria-hidden": "true" }, person.name.slice(0, 1)),
      h("span", {}, h("b", {}, person.name), h("small", {}, occupationName(currentLanguage(), person.occupation))),
    ),
  );
  return page(
    words,
    chrome,
    h("section", { class: "card" }, h("h1", {}, words.pick), h("p", { class: "hint" }, words.pickHint), ...buttons),
  );
}

export interface Deeds {
  change: () => void;
  erase: () => void;
  revoke: (publicKey: string) => void;
  scan: () => void;
}

export function codeView(words: Words, chrome: Chrome, kept: Kept, { change, erase, revoke, scan }: Deeds): CodeView {
  const qr = h("div", { class: "qr-box", "data-testid": "code" });
  const arc = svg("circle", { cx: 24, cy: 24, r: 20, class: "arc", "stroke-dasharray": RING });
  const seconds = h("span", { class: "seconds" });
  const network = h("p", { class: "network", role: "status" });
  const list = h("div", { class: "visits" }, h("p", { class: "hint" }, "…"));
  const face = h("div", { class: "visits", "data-testid": "face-data" }, h("p", { class: "hint" }, "…"));
  const phones = h("div", { class: "visits", "data-testid": "phones" }, h("p", { class: "hint" }, "…"));
  const notes = noteLines(words, kept).map((line) => h("p", { class: "note", role: "alert" }, line));
  const element = page(
    words,
    chrome,
    h(
      "section",
      { class: "card code" },
      h("h1", {}, kept.name, h("small", {}, occupationName(currentLanguage(), kept.occupation))),
      qr,
      h(
        "div",
        { class: "turn" },
        svg("svg", { viewBox: "0 0 48 48", class: "ring", "aria-hidden": "true" }, svg("circle", { cx: 24, cy: 24, r: 20, class: "track" }), arc),
        h("div", {}, h("p", { class: "scan" }, words.scanHint), seconds),
      ),
      ...notes,
      h("button", { type: "button", class: "scan-door", "data-testid": "scan-door", onclick: scan }, words.knock.start),
    ),
    h("section", { class: "card facts" }, network, h("p", { class: "hint" }, words.alsoOffline), h("p", { class: "hint" }, words.screenshot)),
    h("section", { class: "card" }, h("h2", {}, words.visits), list),
    h("section", { class: "card" }, h("h2", {}, words.phones), phones),
    h("section", { class: "card" }, h("h2", {}, words.face), face),
    h("p", { class: "foot" }, h("button", { type: "button", class: "quiet", onclick: change }, words.change)),
  );
  return {
    element,
    setCode: (text) => {
      qr.replaceChildren(qrPicture(text, words.code));
      qr.dataset["code"] = text;
    },
    setAge: (share, left) => {
      arc.setAttribute("stroke-dashoffset", String(RING * share));
      seconds.textContent = words.refreshIn(left);
    },
    setOnline: (online) => {
      network.textContent = `${online ? words.online : words.offline} · ${words.validUntil(dayOf(kept.notAfter))}`;
      network.className = online ? "network on" : "network off";
    },
    setVisits: (visits) => list.replaceChildren(...visitLines(words, visits)),
    setPhones: (rows) => phones.replaceChildren(...phoneLines(words, rows, revoke)),
    setFace: (data) => face.replaceChildren(...faceLines(words, data, erase)),
  };
}

function noteLines(words: Words, kept: Kept): string[] {
  const left = Date.parse(kept.notAfter) - Date.now();
  const lines = [];
  if (left <= 0) lines.push(words.expired);
  else if (left < EXPIRING_MS) lines.push(words.expiring(dayOf(kept.notAfter)));
  if (kept.clockOffsetMs !== 0) lines.push(words.clockWrong(Math.round(Math.abs(kept.clockOffsetMs) / 1000)));
  return lines;
}

function visitLines(words: Words, visits: Visit[] | null): HTMLElement[] {
  if (visits === null) return [h("p", { class: "hint" }, words.visitsOffline)];
  if (visits.length === 0) return [h("p", { class: "hint" }, words.noVisits)];
  const by: Record<string, string> = { code: words.byCode, door_code: words.knock.by, face: words.byFace, card: words.byCard, remote: words.byRemote };
  return visits
    .slice(0, 20)
    .map((visit) =>
      h(
        "p",
        { class: "visit" },
        h("b", {}, visit.station_name),
        h("span", {}, `${by[visit.credential] ?? visit.credential} · ${momentOf(visit.at)}`),
      ),
    );
}

/** The button of another phone needs a second press; this one cannot be lost while one looks at it. */
function phoneLines(words: Words, rows: PhoneRow[] | null, revoke: (publicKey: string) => void): HTMLElement[] {
  if (rows === null) return [h("p", { class: "hint" }, words.phonesOffline)];
  return rows.map((row) => {
    const said = (row.own ? words.phoneOwn : words.phoneOther)(dayOf(row.created_at));
    if (row.own) return h("p", { class: "phone-row" }, said);
    let sure = false;
    const button = h("button", { type: "button", class: "quiet", "data-testid": "revoke", onclick: press }, words.revoke);
    function press() {
      if (sure) revoke(row.public);
      sure = true;
      button.textContent = words.revokeSure;
    }
    return h("p", { class: "phone-row" }, said, button);
  });
}

/** Where it is and until when, what each station answered, and the button that needs a second press. */
function faceLines(words: Words, data: FaceData | null, erase: () => void): HTMLElement[] {
  if (data === null) return [h("p", { class: "hint" }, words.faceOffline)];
  const lines: HTMLElement[] = data.faces.map((one) => h("p", { class: "visit" }, words.faceAt(one.station_name, dayOf(one.consent_until))));
  for (const one of data.erasures) {
    const said = one.receipt ? words.erased(one.station_name, momentOf(one.receipt.at)) : words.erasing(one.station_name, momentOf(one.asked_at));
    lines.push(h("p", { class: "visit", "data-testid": "erasure", "data-done": String(one.receipt !== null) }, said));
  }
  if (data.faces.length === 0) lines.unshift(h("p", { class: "hint" }, words.noFace));
  else {
    const button = h("button", { type: "button", class: "main", "data-testid": "erase-face", onclick: press }, words.erase);
    let sure = false;
    function press() {
      if (sure) erase();
      sure = true;
      button.textContent = words.eraseSure;
    }
    lines.push(button);
  }
  return lines;
}

const locale = () => (currentLanguage() === "zh" ? "zh-CN" : "en-GB");
const dayOf = (iso: string) => new Date(iso).toLocaleDateString(locale(), { month: "long", day: "numeric" });
const momentOf = (iso: string) =>
  new Date(iso).toLocaleString(locale(), { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" });

document.documentElement.classList.toggle("large", localStorage.getItem(LARGE) === "true");
