/** The hands of the visitor: show a code, show a face, try the door, change the weather. */
import { h } from "../plain/dom.ts";
import { Problem } from "../plain/http.ts";
import { currentLanguage } from "../plain/language.ts";
import { occupationName } from "../plain/occupations.ts";
import {
  type DoorPageState,
  moveDoor,
  type Phone,
  present,
  pressButton,
  pressFace,
  scanPicture,
  setFire,
  setTemperature,
  showFace,
} from "./station.ts";
import { Webcam } from "./webcam.ts";
import type { Words } from "./words.ts";

export type Say = (sentence: string, kind: "info" | "good" | "bad") => void;

const SCAN_EVERY_MS = 250;
const PHOTO_MS = 1200;
const STREAM_EVERY_MS = 350;
const PICTURES = "image/jpeg,image/png";

function button(label: string, act: () => unknown, more: Record<string, string> = {}): HTMLButtonElement {
  return h("button", { type: "button", ...more, onclick: () => void act() }, label);
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A sentence for what went wrong, so that no promise of a click is lost. */
async function told(words: Words, say: Say, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(error.status === 0 ? words.errors.network : words.errors.failed(error.message), "bad");
  }
}

function filePicker(label: string, testId: string, several: boolean, onFiles: (files: File[]) => void): HTMLElement {
  const input = h("input", { type: "file", accept: PICTURES, multiple: several, "data-testid": testId });
  input.addEventListener("change", () => {
    onFiles([...(input.files ?? [])]);
    input.value = "";
  });
  return h("label", { class: "file" }, h("span", {}, label), input);
}

export function codePanel(words: Words, say: Say, people: Phone[]): HTMLElement {
  const webcam = new Webcam();
  const stage = h("div", { class: "stage" });
  const toggle = button(words.code.camera, () => (webcam.running ? stop() : start()), { "data-testid": "scan-camera" });
  const members = people.map((person) =>
    h(
      "button",
      {
        type: "button",
        class: "member",
        "data-member": person.member,
        onclick: () => void told(words, say, () => shown(person)),
      },
      h("b", {}, person.name),
      h("small", {}, occupationName(currentLanguage(), person.occupation)),
    ),
  );

  async function shown(person: Phone): Promise<void> {
    await present(person.member);
    say(words.code.sent(person.name), "info");
  }
  async function scan(picture: Blob): Promise<boolean> {
    const found = await scanPicture(picture);
    if (found) say(words.code.found, "info");
    return found;
  }
  async function start(): Promise<void> {
    try {
      await webcam.start();
    } catch {
      return say(words.errors.camera, "bad");
    }
    toggle.textContent = words.code.stop;
    stage.replaceChildren(webcam.video, h("p", { class: "hint" }, words.code.looking));
    await told(words, say, look);
    stop();
  }
  async function look(): Promise<void> {
    while (webcam.running) {
      const frame = await webcam.frame();
      if (frame !== null && (await scan(frame))) return;
      await pause(SCAN_EVERY_MS);
    }
  }
  function stop(): void {
    webcam.stop();
    stage.replaceChildren();
    toggle.textContent = words.code.camera;
  }

  return h(
    "section",
    { class: "card" },
    h("h2", {}, words.code.title),
    h("p", { class: "hint" }, people.length > 0 ? words.code.hint : words.code.none),
    h("div", { class: "members" }, ...members),
    stage,
    h(
      "div",
      { class: "row" },
      toggle,
      filePicker(words.code.file, "code-file", false, ([file]) => {
        if (file === undefined) return;
        void told(words, say, async () => {
          if (!(await scan(file))) say(words.code.notFound, "bad");
        });
      }),
    ),
  );
}

/** The screen beside the door that a member's phone scans. */
export function doorCodePanel(words: Words, screen: HTMLCanvasElement): HTMLElement {
  return h("section", { class: "card" }, h("h2", {}, words.doorCode.title), h("p", { class: "hint" }, words.doorCode.hint), screen);
}

export function facePanel(words: Words, say: Say): HTMLElement {
  const webcam = new Webcam();
  const stage = h("div", { class: "stage" });
  const only = h("input", { type: "checkbox", "data-testid": "face-only-show" });
  const toggle = button(words.face.webcam, () => (webcam.running ? stop() : start()));

  async function press(): Promise<void> {
    await pressFace();
    say(words.face.pressed, "info");
  }
  /** One photo after the other: enrolment wants several that differ. */
  async function show(pictures: Blob[]): Promise<void> {
    for (const [i, picture] of pictures.entries()) {
      if (i > 0) await pause(PHOTO_MS);
      await showFace(picture);
      if (i === 0 && !only.checked) await press();
    }
    if (only.checked) say(words.face.shown, "info");
  }
  async function start(): Promise<void> {
    try {
      await webcam.start();
    } catch {
      return say(words.errors.camera, "bad");
    }
    toggle.textContent = words.code.stop;
    const pressing = button(words.face.press, () => told(words, say, press), { class: "primary" });
    stage.replaceChildren(webcam.video, h("p", { class: "hint" }, words.face.looking), pressing);
    await told(words, say, stream);
    stop();
  }
  /** The station's camera sees what this one sees, until it is stopped. */
  async function stream(): Promise<void> {
    while (webcam.running) {
      const frame = await webcam.frame();
      if (frame !== null) await showFace(frame);
      await pause(STREAM_EVERY_MS);
    }
  }
  function stop(): void {
    webcam.stop();
    stage.replaceChildren();
    toggle.textContent = words.face.webcam;
  }

  return h(
    "section",
    { class: "card" },
    h("h2", {}, words.face.title),
    h("p", { class: "hint" }, words.face.hint),
    stage,
    h(
      "div",
      { class: "row" },
      toggle,
      filePicker(words.face.file, "face-file", true, (files) => {
        if (files.length > 0) void told(words, say, () => show(files));
      }),
    ),
    h("label", { class: "check" }, only, words.face.onlyShow),
  );
}

/** What a person can do to the door itself, from outside and from inside. `state` is asked when a button is pressed. */
export function handsPanel(words: Words, say: Say, state: () => DoorPageState): HTMLElement {
  const act = (action: "push" | "close" | "force", sentence: string) => () =>
    told(words, say, async () => {
      await moveDoor(action);
      say(sentence, "info");
    });
  return h(
    "section",
    { class: "card" },
    h("h2", {}, words.hands.title),
    h(
      "div",
      { class: "row" },
      button(words.hands.push, act("push", words.hands.pushed), { "data-testid": "push" }),
      button(words.hands.close, act("close", words.hands.closed), { "data-testid": "close" }),
      button(words.hands.force, act("force", words.hands.forced), { "data-testid": "force", class: "danger" }),
    ),
    h("div", { class: "row" }, ...insidePanel(words, say, state)),
  );
}

function insidePanel(words: Words, say: Say, state: () => DoorPageState): HTMLElement[] {
  const { exit_button, fire_input } = state();
  const hands: HTMLElement[] = [];
  if (exit_button !== null) {
    const leave = async () => {
      await pressButton(exit_button);
      say(words.hands.exited, "info");
    };
    hands.push(button(words.hands.exit, () => told(words, say, leave), { "data-testid": "exit" }));
  }
  if (fire_input) {
    const fire = async () => {
      const active = !state().fire;
      await setFire(active);
      say(active ? words.hands.fireOn : words.hands.fireOff, active ? "bad" : "info");
    };
    hands.push(button(words.hands.fire, () => told(words, say, fire), { "data-testid": "fire", class: "danger" }));
  }
  return hands;
}

export function climatePanel(words: Words, say: Say, temperature: number): HTMLElement {
  const label = (celsius: number) => `${celsius.toFixed(0)} °C`;
  const value = h("output", {}, label(temperature));
  const slider = h("input", {
    type: "range",
    min: -30,
    max: 35,
    step: 1,
    value: Math.round(temperature),
    "aria-label": words.climate.title,
    "data-testid": "temperature",
  });
  slider.addEventListener("input", () => (value.textContent = label(slider.valueAsNumber)));
  slider.addEventListener("change", () => void told(words, say, () => setTemperature(slider.valueAsNumber).then(() => undefined)));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, words.climate.title, value),
    h("div", { class: "slide" }, h("span", {}, words.climate.cold), slider, h("span", {}, words.climate.warm)),
    h("p", { class: "hint" }, words.climate.hint),
  );
}
