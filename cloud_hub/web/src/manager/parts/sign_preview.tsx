/**
 * About how a text will stand on the sign: pages of dots that alternate. The station draws the real one with its own
 * font; this picture answers "does it fit, and in how many pages".
 */
import { useEffect, useMemo, useRef, useState } from "react";
import { paintLamps } from "../../plain/lamps.ts";

const WIDTH = 128;
const HEIGHT = 16;
const PAGE_MS = 1800;
const THRESHOLD = 110;
const BASELINE = 14; // of a 16 px Chinese glyph: 88 % above, 12 % below
const FONT = `${HEIGHT}px "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif`;

export function SignPreview({ text, label }: { text: string; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [page, setPage] = useState(0);
  const pages = useMemo(() => drawn(text), [text]);

  useEffect(() => {
    const timer = window.setInterval(() => setPage((shown) => shown + 1), PAGE_MS);
    return () => window.clearInterval(timer);
  }, []);
  useEffect(() => {
    if (canvas.current !== null) paintLamps(canvas.current, pages[page % pages.length]!, WIDTH, HEIGHT);
  }, [pages, page]);

  return <canvas ref={canvas} className="lamps" role="img" aria-label={`${label}: ${text}`} />;
}

function drawn(text: string): Uint8Array[] {
  const sheet = document.createElement("canvas");
  sheet.width = WIDTH;
  sheet.height = HEIGHT;
  const context = sheet.getContext("2d", { willReadFrequently: true });
  if (context === null) return [new Uint8Array(WIDTH * HEIGHT)];
  context.font = FONT;
  const lines = [""];
  for (const char of text.trim()) {
    const line = lines[lines.length - 1]!;
    if (context.measureText(line + char).width <= WIDTH) lines[lines.length - 1] = line + char;
    else lines.push(char);
  }
  return lines.map((line) => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.fillStyle = "#fff";
    context.fillText(line, 0, BASELINE);
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
    return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => (data[i * 4]! > THRESHOLD ? 1 : 0));
  });
}
