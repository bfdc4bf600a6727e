// The package as people get it: what is in it, how small it is, that it is what the sources make,
// and that its types say what they should.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import * as vite from "vite";

const home = new URL("../", import.meta.url).pathname;
const read = (path) => readFileSync(join(home, path), "utf8");
const run = (file, args, cwd = home) => {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${file} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
};
const { name, version, dependencies } = JSON.parse(read("package.json"));

// What the examples take from Node and from `ws`, as far as they do.
const AROUND = `
declare module "node:fs" {
  export function readFileSync(path: string, encoding: string): string;
  export function writeFileSync(path: string, text: string): void;
}
declare module "ws" {
  export const WebSocket: unknown;
}
`;

const folder = mkdtempSync(join(tmpdir(), "fanwire-package-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the served file is what the sources make, and under 6 kB gzipped", () => {
  run(process.execPath, ["build.mjs", "--check"]);
  const bytes = gzipSync(readFileSync(join(home, "../web/client.js")), { level: 9 }).length;
  console.log(`# client.js: ${bytes} bytes gzipped`);
  assert.ok(bytes < 6000, `${bytes}`);
});

test("its version is the server's, and the changelog knows it", () => {
  assert.match(read("../Cargo.toml"), new RegExp(`^version = "${version}"$`, "m"));
  assert.match(read("../web/client.js"), new RegExp(`^// Fanwire ${version},`));
  assert.match(read("CHANGELOG.md"), new RegExp(`^## ${version}`, "m"));
});

test("it has no dependencies, and the licences of the server", () => {
  assert.equal(dependencies, undefined);
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    assert.equal(read(licence), read(`../${licence}`));
  }
});

test("npm pack lists what is needed and nothing else; it installs and works by its name", () => {
  const packed = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]);
  const [{ filename, files }] = Object.values(JSON.parse(packed));
  const modules = readdirSync(join(home, "src")).map((file) => file.replace(/\.ts$/, ""));
  const expected = [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "package.json",
    ...modules.flatMap((module) => [`dist/${module}.js`, `dist/${module}.d.ts`]),
  ];
  assert.deepEqual(files.map(({ path }) => path).sort(), expected.sort());

  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const quiet = ["--no-audit", "--no-fund", "--offline", "--silent"];
  run("npm", ["install", ...quiet, join(folder, filename)], folder);
  cpSync(join(home, "test/types.ts"), join(folder, "types.ts"));
  writeFileSync(
    join(folder, "use.mjs"),
    `import { Fanwire } from "${name}";
     const fw = new Fanwire("ws://127.0.0.1:1", { WebSocket: class { close() {} } });
     console.log(typeof fw.subscribe("room").publish, fw.state);
     fw.close();`,
  );
  assert.equal(run(process.execPath, ["use.mjs"], folder), "function connecting\n");
});

test("a bundler finds it by its name, and puts it into a page's script", async () => {
  const { outputFiles } = await build({
    stdin: { contents: `export { Fanwire } from "${name}"`, resolveDir: folder },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  const script = join(folder, "bundled.mjs");
  writeFileSync(script, outputFiles[0].contents);
  assert.equal(typeof (await import(script)).Fanwire, "function");
});

test("a page in TypeScript that Vite builds, and serves while one writes it", async () => {
  const root = join(folder, "page");
  mkdirSync(root);
  writeFileSync(join(root, "index.html"), '<script type="module" src="/main.ts"></script>');
  const page = `import { Fanwire, type State } from "${name}";
    const first: State = "connecting";
    Object.assign(globalThis, { vite: [typeof Fanwire, first] });`;
  writeFileSync(join(root, "main.ts"), page);
  const settings = { root, configFile: false, logLevel: "silent" };
  await vite.build({ ...settings, build: { modulePreload: false } });
  const [script] = readdirSync(join(root, "dist/assets"));
  await import(join(root, "dist/assets", script));
  assert.deepEqual(globalThis.vite, ["function", "connecting"]);

  const server = await vite.createServer({ ...settings, server: { middlewareMode: true } });
  try {
    const served = await server.transformRequest("/main.ts");
    assert.match(served.code, /from "\/[^"]*fanwire[^"]*\.js/, "its address for a browser");
  } finally {
    await server.close();
  }
});

// The examples of a document, each as a file of its own.
function examples(path) {
  const blocks = [...read(path).matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  return blocks.map((code, at) => {
    const file = `example-${path.replace(/\W/g, "")}-${at}.ts`;
    writeFileSync(join(folder, file), code);
    return file;
  });
}

test("the types say what they should, and no more than the API", () => {
  const tsc = join(home, "node_modules/typescript/bin/tsc");
  const documented = ["README.md", "../docs/client.md"].flatMap(examples);
  assert.equal(documented.length, 7);
  writeFileSync(join(folder, "around.d.ts"), AROUND);
  documented.push("around.d.ts");
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"];
    options.push("--module", module, "--moduleResolution", resolution, "--types", "");
    run(process.execPath, [tsc, ...options, "types.ts", ...documented], folder);
  }
  // A program in Node has no types of the browser's, but URL.
  const program = 'import { Fanwire } from "fanwire"; export const fw: Fanwire = new Fanwire("x");';
  writeFileSync(join(folder, "program.ts"), `${program} declare global { interface URL {} }`);
  const plain = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022", "--types", ""];
  run(process.execPath, [tsc, ...plain, "--module", "nodenext", "program.ts"], folder);
  // What is not for applications does not show.
  const shown = readFileSync(join(folder, "node_modules", name, "dist/subscription.d.ts"), "utf8");
  for (const hidden of ["receive", "turn(", "reach(", "interface Join"]) {
    assert.ok(!shown.includes(hidden), hidden);
  }
});
