/** The screen that shows the door code, at its true dots: what the station's driver has drawn, as squares. */
import type { ScreenState } from "./station.ts";

const PITCH = 6; // canvas pixels a dot: a phone held before this page reads it
const DARK = "#120a08";
const LIT = "#fff3e6";

export class CodeScreen {
  readonly canvas = document.createElement("canvas");
  private shown = "";

  constructor() {
    this.canvas.className = "code-screen";
    this.canvas.setAttribute("role", "img");
    this.canvas.dataset["testid"] = "code-screen";
  }

  update({ width, height, dots }: ScreenState, label: string): void {
    this.canvas.setAttribute("aria-label", label);
    if (dots === this.shown) return;
    this.shown = dots;
    this.canvas.width = width * PITCH;
    this.canvas.height = height * PITCH;
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    context.fillStyle = DARK;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.fillStyle = LIT;
    for (const [at, char] of [...atob(dots)].entries()) {
      if (char !== "\0") context.fillRect((at % width) * PITCH, Math.floor(at / width) * PITCH, PITCH, PITCH);
    }
  }
}
