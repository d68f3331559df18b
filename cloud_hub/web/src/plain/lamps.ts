/** Paints dots as lamps of an LED sign. Dots are one byte each, row by row: 0 dark, else a colour number. */

const COLOURS = ["#2b1712", "#ff4a2e", "#6df06a", "#ffb02e", "#a3271b", "#2f9a35", "#b06a16", "#ffe14d", "#ff8a2a"];
const PITCH = 6; // canvas pixels from lamp to lamp

export function paintLamps(canvas: HTMLCanvasElement, dots: Uint8Array, width: number, height: number): void {
  if (canvas.width !== width * PITCH) canvas.width = width * PITCH;
  if (canvas.height !== height * PITCH) canvas.height = height * PITCH;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.fillStyle = "#120a08";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      context.fillStyle = COLOURS[dots[y * width + x] ?? 0] ?? COLOURS[1]!;
      context.beginPath();
      context.arc((x + 0.5) * PITCH, (y + 0.5) * PITCH, PITCH * 0.4, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
