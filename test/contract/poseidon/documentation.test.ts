import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { target } from "./support/session.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

test("the worked example of docs/poseidon.md runs as it is written", async () => {
  const directory = await mkdtemp(join(tmpdir(), "perigee-example-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const page = await readFile(join(ROOT, "docs/poseidon.md"), "utf8");
  const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text).join("\n");
  // of a deployment whose data is elsewhere the token is known already
  const verb = target.data
    ? `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(ROOT, "cli/perigee.ts")}" "$@"`
    : `case "$3" in add) printf %s "${target.token}" > token;; esac`;
  await writeFile(join(directory, "perigee"), `#!/bin/sh\n${verb}\n`);
  await chmod(join(directory, "perigee"), 0o755);
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", commands], {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${directory}:${dirname(process.execPath)}:${process.env.PATH}`,
      GROUND: target.url.replace(/\/api\/v1$/, ""),
      IMAGE: target.image,
      PERIGEE_USER: target.user ?? "",
      ...(target.data && { PERIGEE_DATA: target.data }),
    },
  });
  expect(stdout).toContain('{"files": [{"name":"words.txt","entryType":"-","size":18,');
  expect(stdout).toMatch(/\b3\r\n/);
  expect(await readFile(join(directory, "words.txt"), "utf8")).toBe("three small words\n");
});
