// Unpacks the browser of @sparticuz/chromium and prints the path of a script that starts it.
//
//   node unpack.mjs <folder> <folder of a Chinese font>
//
// The package unpacks to the temporary directory only; it is told that <folder> is that. The libraries
// meant for a bare cloud machine come along, so that none of this machine is needed.
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [folder, fonts] = process.argv.slice(2).map((path) => resolve(path));
const start = join(folder, "start");

if (!existsSync(start)) {
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  process.env.TMPDIR = unfinished;
  const { inflate } = await import("@sparticuz/chromium");
  const packed = join(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))), "..", "bin");
  for (const name of ["chromium.br", "swiftshader.tar.br", "al2023.tar.br", "fonts.tar.br"]) {
    await inflate(join(packed, name));
  }
  writeFileSync(
    join(unfinished, "fonts.conf"),
    `<?xml version="1.0"?>
<fontconfig><dir>${folder}/fonts</dir><dir>${fonts}</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>
`,
  );
  writeFileSync(
    join(unfinished, "start"),
    `#!/bin/sh
export LD_LIBRARY_PATH="${folder}/al2023/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export FONTCONFIG_FILE="${folder}/fonts.conf"
exec "${folder}/chromium" "$@"
`,
  );
  chmodSync(join(unfinished, "start"), 0o755);
  renameSync(unfinished, folder);
}
console.log(start);
