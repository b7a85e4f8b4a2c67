import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OwnDeployment, startOwnDeployment } from "#test/support/own-deployment.ts";

const PAGE = resolve(import.meta.dirname, "../../../docs/kabuto.md");

let deployment: OwnDeployment;
let dir: string;
beforeAll(async () => {
  deployment = await startOwnDeployment({ PERIGEE_KABUTO_REGISTRATION: "open" });
  dir = await mkdtemp(join(tmpdir(), "perigee-example-"));
}, 300_000);
afterAll(async () => {
  await deployment?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** The commands of a document's section, as one script. */
async function commandsOf(section: string): Promise<string> {
  const page = await readFile(PAGE, "utf8");
  const [, found = ""] = page.split(`## ${section}\n`);
  const [body = ""] = found.split(/^## /m);
  return [...body.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands).join("");
}

test("the example of docs/kabuto.md, from registration to the unpacked zip", async () => {
  const script = await commandsOf("From registration to the unpacked zip");
  const here = script.replace(/^GROUND=.*$/m, `GROUND=${deployment.url}`);
  expect(here).not.toBe(script);
  const shell = spawn("bash", ["-euo", "pipefail", "-c", here], {
    cwd: dir,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((end) => shell.once("close", end));
  const [said, wrong] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  expect([await ended, wrong]).toEqual([0, ""]);
  expect(said).toContain('{"registration":"success"}{"login":"success"}');
  expect(said).toContain('"state":"SUCCESS","id":1');
  expect(said).toContain('{"1":"in_queue","2":"in_queue"}');
  expect(said).toContain('"logline":"three small words"');
  expect(said.endsWith("THREE SMALL WORDS\n")).toBe(true);
  expect(await readFile(join(dir, "results/loud.txt"), "utf8")).toBe("THREE SMALL WORDS\n");
});
