/** Draws a code's text as a QR: one SVG path, crisp at any size, with the quiet zone that scanners need. */
import { encode } from "uqr";
import { svg } from "../plain/dom.ts";

const QUIET = 4; // modules, ISO/IEC 18004

export function qrPicture(text: string, label: string): SVGSVGElement {
  const { data, size } = encode(text, { ecc: "M", border: 0, boostEcc: false });
  let path = "";
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      let run = 0;
      while (x + run < size && data[y]![x + run]) run += 1;
      if (run > 0) path += `M${x + QUIET} ${y + QUIET}h${run}v1h-${run}z`;
      x += run;
    }
  }
  const whole = size + 2 * QUIET;
  return svg(
    "svg",
    { viewBox: `0 0 ${whole} ${whole}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges", class: "qr" },
    svg("rect", { width: whole, height: whole, fill: "#fff" }),
    svg("path", { d: path, fill: "#000" }),
  );
}
