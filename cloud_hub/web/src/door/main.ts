/**
 * The virtual station's door page: the drawing shows what the simulated devices really do, as the state stream
 * tells it; the panels are the visitor's hands. Nothing here decides anything.
 */
import { h } from "../plain/dom.ts";
import { Problem } from "../plain/http.ts";
import { applyLanguage, chooseLanguage, currentLanguage } from "../plain/language.ts";
import { climatePanel, codePanel, doorCodePanel, facePanel, handsPanel, type Say } from "./panels.ts";
import { Scene } from "./scene.ts";
import { CodeScreen } from "./screen.ts";
import { type DoorPageState, follow, type Phone, phones } from "./station.ts";
import { type Words, WORDS } from "./words.ts";

const LOG_LINES = 10;
const ALARMING: ReadonlySet<string> = new Set(["forced", "held_open", "jammed", "emergency"]);

const app = document.querySelector<HTMLElement>("#app")!;
const scene = new Scene();
const screen = new CodeScreen();
const facts = h("dl", { class: "facts" });
const headline = h("p", { class: "headline", role: "status", "data-testid": "door-state" });
const link = h("p", { class: "link", role: "status" });
const log = h("ol", { class: "log", "aria-live": "polite", "data-testid": "log" });
let state: DoorPageState | null = null;
let people: Phone[] = [];
let up = false;

const words = () => WORDS[currentLanguage()];

const say: Say = (sentence, kind) => {
  const time = new Date().toLocaleTimeString(currentLanguage() === "zh" ? "zh-CN" : "en-GB");
  log.querySelector(".empty")?.remove();
  log.prepend(h("li", { class: kind }, h("time", {}, time), sentence));
  while (log.children.length > LOG_LINES) log.lastElementChild?.remove();
};

function onState(next: DoorPageState): void {
  const before = state;
  state = next;
  if (before === null) drawPage();
  else tellChanges(before, next);
  drawState(next);
}

/** What the eye may have missed, as sentences. */
function tellChanges(before: DoorPageState, now: DoorPageState): void {
  const said = words().events;
  if (before.agent_running !== now.agent_running) say(now.agent_running ? said.agentUp : said.agentDown, now.agent_running ? "good" : "bad");
  if (!before.lock_released && now.lock_released) say(said.released, "good");
  if (before.lock_released && !now.lock_released) say(said.secured, "info");
  if (before.door_state !== now.door_state && ALARMING.has(now.door_state ?? "")) say(words().doorStates[now.door_state!]!, "bad");
  if (before.sign.text !== now.sign.text && now.sign.text) say(said.sign(now.sign.text), "info");
  if (before.door_open !== now.door_open) say(now.door_open ? said.opened : said.closed, "info");
}

function drawState(now: DoorPageState): void {
  const said = words();
  scene.update(now, said);
  if (now.code_screen !== null) screen.update(now.code_screen, said.doorCode.title);
  const door = now.door_state ?? "";
  headline.textContent = door === "" ? (now.door_open ? said.open : said.closed) : (said.doorStates[door] ?? door);
  headline.dataset["state"] = door || (now.door_open ? "open" : "secured");
  facts.replaceChildren(
    ...fact(said.facts.door, now.door_open ? said.open : said.closed, "door"),
    ...fact(said.facts.bolt, said.bolts[now.bolt] ?? now.bolt, "bolt"),
    ...fact(said.facts.contact, now.contact_open ? said.contactOpen : said.contactClosed, "contact"),
    ...fact(said.facts.relay, now.lock_released ? said.on : said.off, "relay"),
    ...fact(said.facts.temperature, `${now.temperature_c.toFixed(1)} °C`, "temperature"),
    ...fact(said.facts.humidity, `${now.humidity_pct.toFixed(0)} %`, "humidity"),
    ...fact(said.facts.releases, String(now.releases), "releases"),
    ...fact(said.sign, now.sign.text ?? "—", "sign"),
  );
  const fire = app.querySelector("[data-testid=fire]");
  if (fire !== null) fire.textContent = now.fire ? said.hands.fireOver : said.hands.fire;
  drawLink();
}

function fact(name: string, value: string, id: string): HTMLElement[] {
  return [h("div", {}, h("dt", {}, name), h("dd", { "data-testid": `fact-${id}` }, value))];
}

function drawLink(): void {
  const said = words();
  const agent = state?.agent_running ?? false;
  link.textContent = up ? (agent ? said.agentUp : said.agentDown) : said.lost;
  link.className = up && agent ? "link good" : "link bad";
  if (up && state?.camera.showing) link.textContent += ` · ${said.face.showing}`;
}

function drawPage(): void {
  const said = words();
  if (state === null) {
    app.replaceChildren(h("p", { class: "waiting", role: "status" }, said.connecting));
    return;
  }
  document.title = said.title(state.station.name);
  if (log.children.length === 0) log.append(h("li", { class: "empty" }, said.log.empty));
  app.replaceChildren(
    header(said, state),
    h(
      "main",
      {},
      h(
        "div",
        { class: "left" },
        h("div", { class: "stage-card" }, scene.element, headline),
        facts,
        h("section", { class: "card" }, h("h2", {}, said.log.title), log),
      ),
      h(
        "div",
        { class: "right" },
        codePanel(said, say, people),
        ...(state.code_screen === null ? [] : [doorCodePanel(said, screen.canvas)]),
        facePanel(said, say),
        handsPanel(said, say, () => state!),
        climatePanel(said, say, state.temperature_c),
      ),
    ),
  );
  drawState(state);
}

function header(said: Words, now: DoorPageState): HTMLElement {
  return h(
    "header",
    {},
    h("div", {}, h("h1", {}, said.title(now.station.name)), h("p", { class: "hint" }, said.subtitle)),
    h("div", { class: "tools" }, link, h("button", { type: "button", onclick: switchLanguage }, said.language)),
  );
}

function switchLanguage(): void {
  chooseLanguage(currentLanguage() === "zh" ? "en" : "zh");
  log.replaceChildren();
  drawPage();
}

async function start(): Promise<void> {
  applyLanguage(currentLanguage());
  drawPage();
  try {
    people = await phones();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    people = []; // a virtual station without phones: codes come by camera or picture
  }
  follow(onState, (linkUp) => {
    up = linkUp;
    drawLink();
  });
}

void start();
