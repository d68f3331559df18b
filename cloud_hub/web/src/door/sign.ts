/** The LED sign at its true dots: each dot of the sign's memory is one lamp on the canvas; pages alternate. */
import { paintLamps } from "../plain/lamps.ts";
import type { SignState } from "./station.ts";

const PAGE_MS = 2500;

export class SignPicture {
  readonly canvas = document.createElement("canvas");
  private pages: Uint8Array[] = [];
  private sign: SignState | null = null;
  private shown = 0;
  private key = "";

  constructor() {
    this.canvas.className = "sign";
    this.canvas.setAttribute("role", "img");
    window.setInterval(() => this.turn(), PAGE_MS);
  }

  update(sign: SignState, label: string): void {
    this.canvas.setAttribute("aria-label", `${label}: ${sign.text ?? ""}`);
    const key = `${sign.width}x${sign.height}:${sign.pages.join("|")}`;
    if (key === this.key) return;
    this.key = key;
    this.sign = sign;
    this.pages = sign.pages.map((page) => Uint8Array.from(atob(page), (char) => char.charCodeAt(0)));
    this.shown = 0;
    this.paint();
  }

  private turn(): void {
    if (this.pages.length < 2) return;
    this.shown = (this.shown + 1) % this.pages.length;
    this.paint();
  }

  private paint(): void {
    if (this.sign === null) return;
    const { width, height } = this.sign;
    paintLamps(this.canvas, this.pages[this.shown] ?? new Uint8Array(width * height), width, height);
  }
}
