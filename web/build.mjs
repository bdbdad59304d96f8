// Bundles static/src into static/dist under hashed names and writes manifest.json. Nothing changed: nothing done.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const SOURCES = "static/src";
const DIST = "static/dist";
const ENTRIES = new Set(["main.js", "style.css", "mark.svg"]);
const SHIPPED = ["@fontsource-variable/inter", "@fontsource-variable/jetbrains-mono", "htmx.org", "uplot"];
const STAMP = join(DIST, ".stamp");

function fingerprint() {
  const hash = createHash("sha256");
  const files = readdirSync(SOURCES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  for (const file of [...files, "package-lock.json", "build.mjs"]) {
    hash.update(file).update(readFileSync(file));
  }
  return hash.digest("hex");
}

const now = fingerprint();
if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === now) {
  console.log("web assets: up to date");
  process.exit(0);
}

rmSync(DIST, { recursive: true, force: true });
const result = await build({
  entryPoints: { main: `${SOURCES}/ts/main.ts`, style: `${SOURCES}/css/style.css`, mark: `${SOURCES}/mark.svg` },
  outdir: DIST,
  bundle: true,
  minify: true,
  format: "esm",
  splitting: true,
  chunkNames: "[name]-[hash]",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file", ".svg": "copy" },
  metafile: true,
  legalComments: "linked",
  logLevel: "warning",
});

const manifest = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (output.entryPoint) {
    const source = basename(output.entryPoint);
    const name = source.replace(/\.ts$/, ".js");
    // What a module loads only when it is needed has an entry point of its own, but is no entry of a page.
    if (ENTRIES.has(name)) manifest[name] = basename(path);
  }
}
// The licence of what is shipped goes with it.
for (const name of SHIPPED) copyFileSync(`node_modules/${name}/LICENSE`, join(DIST, `LICENSE-${basename(name)}.txt`));
writeFileSync(join(DIST, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
writeFileSync(STAMP, now);
console.log(`web assets: ${Object.values(manifest).join(", ")}`);
