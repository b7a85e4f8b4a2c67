import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage } from "#cli/testing/cli-process.ts";
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

/** The command, run by somebody who is logged in. */
async function perigee(...args: string[]) {
  const stage = await Stage.open();
  try {
    const env = { PERIGEE_URL: deployment.url };
    const { name, password } = deployment.user;
    const { code } = await stage.run(["login", name, "--password-stdin"], { env, input: password });
    expect(code).toBe(0);
    await mkdir(join(stage.dir, "context/deep"), { recursive: true });
    await writeFile(join(stage.dir, "context/Dockerfile"), "FROM busybox:latest\nCOPY deep/word /word\n");
    await writeFile(join(stage.dir, "context/deep/word"), "context\n");
    await writeFile(join(stage.dir, "in.txt"), "attached\n");
    const ended = await stage.run(["kabuto", ...args], { env });
    const read = (path: string) => readFile(join(stage.dir, path), "utf8");
    return {
      ...ended,
      written: args[0] === "run" ? await read("out/d/all.txt").catch(() => undefined) : undefined,
    };
  } finally {
    await stage.close();
  }
}

test("the command: from a directory with a Dockerfile to the unpacked results, and what is said of the job", async () => {
  const command =
    "mkdir /outbox/d; cat /word /inbox/in.txt | tee /outbox/d/all.txt; ln -s /etc/passwd /outbox/link";
  const ran = await perigee("run", "context", "--attach", "in.txt", "-o", "out", "--", command);
  expect(ran).toMatchObject({ code: 0, stdout: "context\nattached\n" });
  expect(ran.written).toBe("context\nattached\n");
  const [, job] = /^job (\d+) of pipeline \d+$/m.exec(ran.stderr) ?? [];
  expect(ran.stderr).toMatch(/done, exit code 0; 1 file, 17 B, in .*\/out\n$/);

  const logs = await perigee("logs", "-f", job!);
  expect([logs.code, logs.stdout]).toEqual([0, "context\nattached\n"]);
  const jobs = JSON.parse((await perigee("jobs", "--json", "--state", "done")).stdout);
  expect(jobs.data).toMatchObject([{ id: Number(job), state: "done", response: 0 }]);
  const again = JSON.parse((await perigee("results", job!, "--json")).stdout);
  expect(again.data).toMatchObject({ files: 1, bytes: 17 });
  expect((await perigee("kill", job!)).stderr).toContain("Cannot kill a job that is not running");
});

test("the command: an exit code other than 0, no results", async () => {
  const ran = await perigee("run", "context", "--json", "--", "sh", "-c", "exit 3");
  expect(ran).toMatchObject({ code: 8 });
  expect(JSON.parse(ran.stdout).data).toMatchObject({
    job: { response: 3, reason: "Error" },
    results: { files: 0 },
  });
});

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
