// Makes dist/ (modules and types, for the package) and ../web/client.js (one small file, which the
// server serves as /client.js). With --check it changes nothing, and fails where the latter differs.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const here = new URL(".", import.meta.url).pathname;
const script = new URL("../web/client.js", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

// Members that only the library itself uses, and nothing else is called: they may be short.
const OUR_OWN = `answered ask attempts backoff between changed check course done doubtful drop
  emit everybody failed foreign frame heard json least link load lose lost mark once opened
  pace positions reach receive received remove requests running save sent subscriptions take
  tries turn wait`;

rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], {
  cwd: here,
  stdio: "inherit",
});

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ["src/index.ts"],
  banner: { js: `// Fanwire ${version}, client; MIT OR Apache-2.0` },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  mangleProps: new RegExp(`^(${OUR_OWN.split(/\s+/).join("|")})$`),
  write: false,
});
const [{ contents }] = outputFiles;

if (!process.argv.includes("--check")) writeFileSync(script, contents);
else if (!readFileSync(script).equals(Buffer.from(contents))) {
  console.error("web/client.js is not what client/src makes: run `npm run build` in client/");
  process.exit(1);
}
