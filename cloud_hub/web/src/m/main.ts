/**
 * The worker's page: a rotating membership code that needs no network once the phone is known to the hub.
 *
 *     ?t=ticket -> session -> key registered -> code every 15 s
 *     kept key  -> code at once; the hub is asked in the background (name, certificate, clock, visits)
 *     #d=code   -> a door's code, opened by a camera app: that door is asked first (knocking.ts)
 *     neither   -> in the demo a choice of members, else a sentence
 */
import { Problem } from "../plain/http.ts";
import { applyLanguage, chooseLanguage, currentLanguage } from "../plain/language.ts";
import { makeCode, PERIOD_S, randomNonce } from "./code.ts";
import { type DoorCode, parseDoorCode } from "./knock.ts";
import { askDoor, scanDoor, type Stage } from "./knocking.ts";
import { demoMembers, demoTicket, eraseFace, type FaceData, faceData, openWithTicket, type Person, type PhoneRow, phones, revokePhone, synchronise, type Visit, visits } from "./phone.ts";
import { forget, type Kept, loadKept } from "./store.ts";
import { chooseView, codeView, type CodeView, failureView, preparingView } from "./view.ts";
import { WORDS } from "./words.ts";

const VISITS_EVERY_MS = 5000; // while the page is looked at: a visit is seen soon after the door opened

const app = document.querySelector<HTMLElement>("#app")!;
let redraw: () => void = () => undefined;
let shown: CodeView | null = null;
let stopCode: () => void = () => undefined;
let linkedDoor: DoorCode | null = null; // a link led here, and is followed once it is known whose phone this is

const words = () => WORDS[currentLanguage()];
const chrome = {
  switchLanguage: () => {
    chooseLanguage(currentLanguage() === "zh" ? "en" : "zh");
    redraw();
  },
};

async function start(): Promise<void> {
  draw(() => preparingView(words(), chrome));
  if (!globalThis.isSecureContext || !globalThis.indexedDB) return fail(words().errors.insecure);
  const ticket = new URLSearchParams(location.search).get("t");
  if (location.hash.startsWith("#d=")) linkedDoor = parseDoorCode(location.hash.slice(3));
  if (ticket !== null || location.hash !== "") history.replaceState(null, "", location.pathname);
  if (ticket !== null) return enter(ticket);
  const kept = await loadKept();
  if (kept === null) return choose();
  present(kept);
  try {
    const fresh = await synchronise();
    if (shown !== null && fresh.certificate !== kept.certificate) showCode(fresh);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    shown?.setVisits(null); // offline, or the session has ended: the kept key goes on until its certificate ends
  }
}

async function enter(ticket: string): Promise<void> {
  try {
    await openWithTicket(ticket);
    present(await synchronise());
  } catch (error) {
    const said = words().errors;
    if (!(error instanceof Problem)) throw error;
    if (error.status === 0) fail(said.network);
    else if (error.status === 401 || error.status === 410) fail(said.ticket);
    else if (error.status === 403) fail(said.suspended);
    else fail(said.other(error.message));
  }
}

async function choose(): Promise<void> {
  let people: Person[];
  try {
    people = await demoMembers();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const entry = linkedDoor === null ? words().errors.entry : words().knock.elsewhere;
    return fail(error.status === 0 ? words().errors.network : entry);
  }
  const pick = async (member: string) => {
    draw(() => preparingView(words(), chrome));
    try {
      await enter(await demoTicket(member));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      fail(words().errors.other(error.message));
    }
  };
  draw(() => chooseView(words(), chrome, people, pick));
}

function present(kept: Kept): void {
  const door = linkedDoor;
  linkedDoor = null;
  if (door === null) showCode(kept);
  else void askDoor(door, stageOf(kept));
}

function stageOf(kept: Kept): Stage {
  const back = async () => showCode((await loadKept()) ?? kept);
  return { words, chrome, draw, back: () => void back() };
}

function showCode(kept: Kept): void {
  stopCode();
  let latest: Visit[] | null | undefined;
  let face: FaceData | null | undefined;
  let rows: PhoneRow[] | null | undefined;
  let code = "";
  let madeAt = 0;
  let timer = 0;
  let hubAnswers = true; // what the last request showed; a browser believes any Wi-Fi to be the network

  const hubNow = () => Date.now() + kept.clockOffsetMs;
  const renew = async () => {
    madeAt = hubNow();
    const holder = { ...kept, privateKey: kept.keys.privateKey };
    code = await makeCode(holder, Math.floor(madeAt / 1000), randomNonce());
    shown?.setCode(code);
  };
  const tick = () => {
    const before = hubNow() - madeAt;
    if (before >= PERIOD_S * 1000 || before < 0) void renew(); // below 0: the phone's clock was set back
    const age = (hubNow() - madeAt) / 1000;
    shown?.setAge(age / PERIOD_S, Math.ceil(PERIOD_S - age));
  };
  const onVisible = () => {
    if (document.visibilityState !== "visible") return;
    tick();
    void readVisits();
  };
  const readVisits = async () => {
    try {
      latest = await visits();
      hubAnswers = true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      latest = null;
      hubAnswers = error.status !== 0;
    }
    shown?.setVisits(latest);
    shown?.setOnline(online());
    if (!face || face.erasures.some((one) => one.receipt === null)) await readFace(faceData);
  };
  const readFace = async (ask: () => Promise<FaceData>) => {
    try {
      face = await ask();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      face ??= null;
    }
    shown?.setFace(face);
  };
  const erase = () => void readFace(eraseFace);
  const readPhones = async (before?: () => Promise<unknown>) => {
    try {
      await before?.();
      rows = await phones(kept);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      rows ??= null;
    }
    shown?.setPhones(rows);
  };
  const revoke = (publicKey: string) => void readPhones(() => revokePhone(publicKey));
  const online = () => navigator.onLine && hubAnswers;
  const onNetwork = () => {
    shown?.setOnline(online());
    if (navigator.onLine) void readVisits();
  };
  const change = async () => {
    stopCode();
    await forget();
    await choose();
  };

  const scan = () => {
    stopCode();
    void scanDoor(stageOf(kept));
  };

  draw(() => {
    shown = codeView(words(), chrome, kept, { change, erase, revoke, scan });
    shown.setOnline(online());
    if (code) shown.setCode(code);
    if (latest !== undefined) shown.setVisits(latest);
    if (face !== undefined) shown.setFace(face);
    if (rows !== undefined) shown.setPhones(rows);
    return shown.element;
  });
  timer = window.setInterval(tick, 200);
  const poll = window.setInterval(() => document.visibilityState === "visible" && void readVisits(), VISITS_EVERY_MS);
  document.addEventListener("visibilitychange", onVisible);
  window.addEventListener("online", onNetwork);
  window.addEventListener("offline", onNetwork);
  stopCode = () => {
    window.clearInterval(timer);
    window.clearInterval(poll);
    document.removeEventListener("visibilitychange", onVisible);
    window.removeEventListener("online", onNetwork);
    window.removeEventListener("offline", onNetwork);
    shown = null;
  };
  tick();
  void readVisits();
  void readPhones();
}

function fail(sentence: string): void {
  stopCode();
  draw(() => failureView(words(), chrome, sentence, () => void start()));
}

function draw(view: () => HTMLElement): void {
  redraw = () => {
    document.title = words().title;
    app.replaceChildren(view());
  };
  redraw();
}

window.addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#d=")) return;
  stopCode();
  void start();
});
applyLanguage(currentLanguage());
void start();
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("/m-sw.js", { scope: "/m" });
