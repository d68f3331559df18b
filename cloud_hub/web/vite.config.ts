/** One build, three entries: `/` manager, `/m` worker's code, and the virtual station's door page. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = import.meta.dirname;

/** The hub's /docs uses these files instead of a CDN's. */
function swaggerUi(): Plugin {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return {
    name: "swagger-ui",
    apply: "build",
    generateBundle() {
      for (const name of ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"]) {
        this.emitFile({ type: "asset", fileName: `swagger/${name}`, source: readFileSync(join(folder, name)) });
      }
    },
  };
}

export default defineConfig({
  root: here,
  plugins: [react(), swaggerUi()],
  build: {
    target: "chrome87",
    outDir: "dist",
    emptyOutDir: true,
    chunkSizeWarningLimit: 1400,
    // A data: script or style would need a hole in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "m.html", "door.html"].map((name) => join(here, name)),
    },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8000", ws: true } } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
