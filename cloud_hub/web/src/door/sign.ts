/** The LED sign at its true dots: each dot of the sign's memory is one lamp on the canvas; pages alternate. */
import type { SignState } from "./station.ts";

const PITCH = 6; // canvas pixels from lamp to lamp
const PAGE_MS = 2500;
const LAMPS = ["#2b1712", "#ff4a2e", "#6df06a", "#ffb02e", "#a3271b", "#2f9a35", "#b06a16", "#ffe14d", "#ff8a2a"];

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
    this.canvas.width = sign.width * PITCH;
    this.canvas.height = sign.height * PITCH;
    this.paint();
  }

  private turn(): void {
    if (this.pages.length < 2) return;
    this.shown = (this.shown + 1) % this.pages.length;
    this.paint();
  }

  private paint(): void {
    const context = this.canvas.getContext("2d");
    if (context === null || this.sign === null) return;
    const { width, height } = this.sign;
    const page = this.pages[this.shown];
    context.fillStyle = "#120a08";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const dot = page?.[y * width + x] ?? 0;
        context.fillStyle = LAMPS[dot] ?? LAMPS[1]!;
        context.beginPath();
        context.arc((x + 0.5) * PITCH, (y + 0.5) * PITCH, PITCH * 0.4, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }
}
