import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { anchorsOf, linksOf, pathsOf, referencesOf } from "./support/read-document.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** What is not ours, or made by a build. */
const FOREIGN = ["node_modules", "dist", "cdk.out", "coverage"];
const FOLDERS = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !FOREIGN.includes(entry.name))
  .filter((entry) => !entry.name.startsWith(".") || entry.name === ".ci")
  .map((entry) => entry.name);
const FILES = FOLDERS.flatMap((folder) => globSync(`${folder}/**/*`, { cwd: ROOT }));
const NAMES = new Set(FILES.map((file) => basename(file)));
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

const DOCUMENTS = [...globSync("*.md", { cwd: ROOT }), ...FILES.filter((file) => file.endsWith(".md"))];
const SOURCES = FILES.filter((file) => /\.(?:ts|mjs|json|yaml|yml)$/.test(file));

describe("what documents name", () => {
  it("finds them", () => {
    expect(DOCUMENTS).toEqual(expect.arrayContaining(["README.md", "docs/architecture.md"]));
    expect(FOLDERS).toEqual(expect.arrayContaining(["agent", "lambdas", "protocol", "test"]));
  });

  it.each(DOCUMENTS)("%s: each link leads to a file and a section that exist", (document) => {
    const broken = linksOf(read(document)).filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? document : join(dirname(document), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && target.endsWith(".md") && !anchorsOf(read(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  // The changelog tells of what was there at its time.
  it.each(DOCUMENTS.filter((document) => document !== "CHANGELOG.md"))(
    "%s: each path of the repository exists",
    (document) => {
      const missing = pathsOf(read(document), FOLDERS).filter((path) => {
        if (!path.includes("/")) return !NAMES.has(path);
        return !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, dirname(document), path));
      });
      expect(missing).toEqual([]);
    },
  );

  it("the index of decisions lists every page", () => {
    const pages = readdirSync(join(ROOT, "docs/decisions")).filter((name) => /^\d{3}-.*\.md$/.test(name));
    expect(pages.length).toBeGreaterThan(0);
    expect(pages.filter((page) => !linksOf(read("docs/decisions/README.md")).includes(page))).toEqual([]);
  });

  it("comments name documents and sections that exist", () => {
    const broken = SOURCES.flatMap((file) =>
      referencesOf(read(file))
        .filter(({ path, section }) => {
          if (!existsSync(join(ROOT, path))) return true;
          return section !== undefined && !anchorsOf(read(path)).includes(section);
        })
        .map(({ path, section }) => `${file}: ${path}${section === undefined ? "" : ` "${section}"`}`),
    );
    expect(broken).toEqual([]);
  });
});

describe("how a document is read", () => {
  it("takes relative links, with their sections, outside of code", () => {
    const text = "[a](b.md#c) [d](https://e.example) `[f](g)`\n\n```sh\n[h](i)\n```\n[j](#k)";
    expect(linksOf(text)).toEqual(["b.md#c", "#k"]);
  });

  it("takes paths and names of sources in backticks", () => {
    const text =
      "`agent/files` `agent/a.ts:12` `npm run x` `b.test.ts` `em/pod` `agent/*` `lambdas/{a,b}` `c.md`";
    expect(pathsOf(text, ["agent", "lambdas"])).toEqual(["agent/files", "agent/a.ts", "b.test.ts"]);
  });

  it("makes the anchors of headings, also of equal ones", () => {
    expect(anchorsOf("# The `a` of B, c\n## d\n```sh\n# no\n```\n## d")).toEqual([
      "the-a-of-b-c",
      "d",
      "d-1",
    ]);
  });

  it("takes documents and sections that comments name", () => {
    expect(referencesOf('// (docs/a.md, "The lock") and docs/decisions/001-b.md')).toEqual([
      { path: "docs/a.md", section: "the-lock" },
      { path: "docs/decisions/001-b.md" },
    ]);
  });
});
