/** The drawn container: door leaf, bolt, lamp, camera, scanner and the cold outside. */
import { h, svg } from "../plain/dom.ts";
import { SignPicture } from "./sign.ts";
import type { DoorPageState } from "./station.ts";
import type { Words } from "./words.ts";

const SNOW = 60;
const PLATE_WIDTH = 224;

export class Scene {
  readonly element: HTMLElement;
  private readonly sign = new SignPicture();
  private readonly picture: SVGSVGElement;
  private readonly thermometer = svg("text", { x: 148, y: 322, class: "thermo" });
  private readonly plate = svg("text", { x: 84, y: 160, class: "plate" });

  constructor() {
    this.picture = svg(
      "svg",
      { viewBox: "0 0 800 480", class: "container", role: "img" },
      defs(),
      svg("rect", { width: 800, height: 480, fill: "url(#sky)" }),
      svg("rect", { y: 412, width: 800, height: 68, class: "ground" }),
      body(),
      room(),
      leaf(),
      fittings(),
      snow(),
      this.thermometer,
      this.plate,
    );
    this.element = h("div", { class: "scene" }, this.picture, h("div", { class: "sign-frame" }, this.sign.canvas));
  }

  update(state: DoorPageState, words: Words): void {
    const root = this.element.classList;
    root.toggle("door-open", state.door_open);
    root.toggle("lock-on", state.lock_released);
    root.toggle("freezing", state.temperature_c < 2);
    root.toggle("looking", state.camera.showing);
    root.toggle("contact-open", state.contact_open);
    this.element.dataset["bolt"] = state.bolt;
    this.thermometer.textContent = `${state.temperature_c.toFixed(1)} °C`;
    this.namePlate(state.station.name);
    this.picture.setAttribute("aria-label", `${words.facts.door}: ${state.door_open ? words.open : words.closed}`);
    this.sign.update(state.sign, words.sign);
  }

  /** A long name is squeezed: it ends where the sign begins. */
  private namePlate(name: string): void {
    if (this.plate.textContent === name) return;
    this.plate.textContent = name;
    if (this.plate.getComputedTextLength() > PLATE_WIDTH) {
      this.plate.setAttribute("textLength", String(PLATE_WIDTH));
      this.plate.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  }
}

function defs(): SVGElement {
  const stop = (offset: string, colour: string) => svg("stop", { offset, "stop-color": colour });
  const down = { x1: 0, y1: 0, x2: 0, y2: 1 };
  return svg(
    "defs",
    {},
    svg("linearGradient", { id: "sky", ...down }, stop("0", "#1c2a44"), stop("0.7", "#3d5878"), stop("1", "#7f93a8")),
    svg("linearGradient", { id: "wall", ...down }, stop("0", "#e9752c"), stop("1", "#c9500f")),
    svg("linearGradient", { id: "warm", ...down }, stop("0", "#ffe9b8"), stop("1", "#ffc46b")),
    svg("linearGradient", { id: "leaf", x1: 0, y1: 0, x2: 1, y2: 0 }, stop("0", "#4f5b66"), stop("1", "#6d7b88")),
    svg(
      "pattern",
      { id: "ribs", width: 18, height: 10, patternUnits: "userSpaceOnUse" },
      svg("rect", { width: 9, height: 10, fill: "#000", opacity: 0.07 }),
      svg("rect", { x: 16, width: 2, height: 10, fill: "#fff", opacity: 0.14 }),
    ),
  );
}

function body(): SVGElement {
  return svg(
    "g",
    {},
    svg("ellipse", { cx: 400, cy: 424, rx: 352, ry: 12, fill: "#000", opacity: 0.25 }),
    svg("rect", { x: 60, y: 96, width: 680, height: 322, rx: 5, fill: "url(#wall)" }),
    svg("rect", { x: 60, y: 96, width: 680, height: 322, rx: 5, fill: "url(#ribs)" }),
    svg("path", { d: "M48 98 66 78h668l18 20z", fill: "#8f3607" }),
    svg("path", { d: "M66 78h668l-3-8H69z", fill: "#eef4fa" }),
    svg("rect", { x: 60, y: 408, width: 680, height: 10, fill: "#7c2f06" }),
    // window with a lit room and a sofa in it
    svg("rect", { x: 92, y: 214, width: 196, height: 122, rx: 4, fill: "#5a2204" }),
    svg("rect", { x: 98, y: 220, width: 184, height: 110, fill: "url(#warm)", class: "light" }),
    svg("path", { d: "M112 330v-34q0-8 8-8h84q8 0 8 8v34z", fill: "#b5652f", opacity: 0.6 }),
    svg("path", { d: "M190 220v110M98 275h184", stroke: "#5a2204", "stroke-width": 4 }),
    svg("rect", { x: 108, y: 304, width: 80, height: 24, rx: 4, fill: "#2a1c14", opacity: 0.82 }),
  );
}

function room(): SVGElement {
  return svg(
    "g",
    {},
    svg("rect", { x: 352, y: 204, width: 128, height: 208, fill: "#5a2204" }),
    svg("rect", { x: 360, y: 212, width: 112, height: 200, fill: "url(#warm)" }),
    svg("path", { d: "M360 412v-30h112v30z", fill: "#a86a3a" }),
    svg("rect", { x: 380, y: 330, width: 62, height: 52, rx: 6, fill: "#c4763c" }),
    svg("rect", { x: 394, y: 240, width: 40, height: 30, fill: "#fff", opacity: 0.75 }),
    svg("path", { d: "M352 412 322 452h188l-30-40z", class: "glow" }),
  );
}

function leaf(): SVGElement {
  return svg(
    "g",
    { class: "leaf" },
    svg("rect", { x: 360, y: 212, width: 112, height: 200, fill: "url(#leaf)" }),
    svg("rect", { x: 376, y: 230, width: 58, height: 78, rx: 3, fill: "#ffdf9e", opacity: 0.85 }),
    svg("rect", { x: 448, y: 300, width: 8, height: 44, rx: 4, fill: "#dfe6ec" }),
    svg("rect", { x: 466, y: 316, width: 14, height: 12, rx: 2, class: "bolt" }),
  );
}

function fittings(): SVGElement {
  return svg(
    "g",
    {},
    // reader column beside the door: lamp of the lock relay, scanner window, face button
    svg("rect", { x: 506, y: 232, width: 60, height: 128, rx: 8, fill: "#22272c" }),
    svg("circle", { cx: 536, cy: 250, r: 8, class: "lamp" }),
    svg("rect", { x: 516, y: 268, width: 40, height: 40, rx: 4, class: "window" }),
    svg("path", { d: "M522 288h28", class: "beam" }),
    svg("circle", { cx: 536, cy: 334, r: 14, fill: "#3d464e" }),
    svg("path", { d: "M529 331h2M541 331h2M529 338q7 6 14 0", stroke: "#fff", "stroke-width": 2.4, fill: "none", "stroke-linecap": "round" }),
    // camera under the roof
    svg("path", { d: "M612 150h36l8 20h-52z", fill: "#22272c" }),
    svg("circle", { cx: 630, cy: 172, r: 11, fill: "#0c0f12" }),
    svg("circle", { cx: 630, cy: 172, r: 5, class: "eye" }),
    // the magnet contact at the frame's top
    svg("rect", { x: 362, y: 205, width: 22, height: 6, rx: 2, class: "contact" }),
    // second window
    svg("rect", { x: 600, y: 232, width: 112, height: 86, rx: 4, fill: "#5a2204" }),
    svg("rect", { x: 606, y: 238, width: 100, height: 74, fill: "url(#warm)", class: "light" }),
    svg("path", { d: "M656 238v74", stroke: "#5a2204", "stroke-width": 4 }),
  );
}

/** Strides without a common divisor scatter the flakes in place and time without chance. */
function snow(): SVGElement {
  const flakes = Array.from({ length: SNOW }, (_, i) =>
    svg("circle", {
      cx: (i * 211) % 860,
      cy: -10,
      r: 1.5 + ((i * 7) % 5) * 0.5,
      class: "flake",
      style: `animation-duration:${7 + ((i * 3) % 7)}s;animation-delay:-${((i * 73) % 131) / 10}s`,
    }),
  );
  return svg("g", { class: "snow" }, ...flakes);
}
