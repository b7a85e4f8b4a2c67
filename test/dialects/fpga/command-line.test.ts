import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync, verify } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENTRY } from "#cli/testing/cli-process.ts";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import { LIMITS } from "#protocol/limits.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, PASSWORD, type PlayedAgent, startFpgaGround } from "./support/fpga-ground.ts";

/** The command as a real process, against a real ground. */
let ground: FpgaGround;
let agent: PlayedAgent;
let directory: string;
const STREAM = buildRawStream();
beforeAll(async () => {
  ground = await startFpgaGround({ dialects: [em] });
  agent = await ground.startAgent(OPERATION_NAMES);
  directory = await mkdtemp(join(tmpdir(), "perigee-fpga-cli-"));
  await writeFile(join(directory, "counter.bin"), STREAM);
  await perigee(["login", "ada", "--password-stdin"], `${PASSWORD}\n`);
});
afterAll(async () => {
  await ground?.stop();
  if (directory) await rm(directory, { recursive: true, force: true });
});

function start(words: string[], input = "") {
  const child = spawn(process.execPath, [ENTRY, ...words], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, XDG_CONFIG_HOME: directory, PERIGEE_URL: ground.url },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(input);
  let stderr = "";
  const watchers = new Set<() => void>();
  child.stderr.setEncoding("utf8").on("data", (more: string) => {
    stderr += more;
    for (const watch of watchers) watch();
  });
  const closed = new Promise((done) => child.once("close", done));
  const ended = Promise.all([closed, text(child.stdout)]).then(([code, stdout]) => ({
    code,
    stdout,
    stderr,
  }));
  /** resolves when stderr has shown `wanted` */
  const shows = (wanted: string) =>
    new Promise<void>((resolve, reject) => {
      const watch = () => stderr.includes(wanted) && resolve();
      watchers.add(watch);
      void ended.then(({ stdout }) => reject(new Error(`ended without ${wanted}:\n${stdout}\n${stderr}`)));
      watch();
    });
  return { ended, shows };
}
const perigee = (words: string[], input?: string) => start(words, input).ended;
const fpga = (...words: string[]) => perigee(["fpga", ...words]);
const json = async (...words: string[]) => {
  const { code, stdout, stderr } = await fpga(...words, "--json");
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
};
const stored = ({ input }: ClaimedCommand) => {
  const { sha256, bytes } = input as { sha256?: string; bytes?: number };
  return { state: "succeeded", result: sha256 ? { sha256, bytes } : {} } as const;
};
/** What the edge is asked for next. */
async function claimed(room?: Record<string, number>): Promise<ClaimedCommand[]> {
  for (;;) {
    await ground.checked();
    const commands = await agent.claim(room);
    if (commands.length > 0) return commands;
    await new Promise((again) => setTimeout(again, 20));
  }
}
/** Does what the edge is asked for, until `end` is over. */
async function whileWorking<T>(end: Promise<T>, room?: Record<string, number>) {
  let isOver = false;
  const over = end.finally(() => {
    isOver = true;
  });
  const done: ClaimedCommand[] = [];
  while (!isOver) {
    await ground.checked();
    for (const command of await agent.claim(room)) {
      done.push(command);
      await agent.report(command, stored(command));
    }
    await Promise.race([over.catch(() => {}), new Promise((again) => setTimeout(again, 20))]);
  }
  return { end: await over, done };
}
const register = async (...words: string[]) => (await whileWorking(fpga("register", ...words))).end;
const objectOf = async (bucket: string, key: string) =>
  buffer((await ground.parts.objects.get({ owner: ground.project().uid, bucket, key })).body);

describe("perigee fpga register", () => {
  it("uploads, registers, and ends when the edge holds the file", async () => {
    const options = ["--meta", "shell_version=1.0", "--description", "a counter", "--bucket", "own-bucket"];
    const end = await register("counter.bin", "--name", "counter", ...options);
    expect(end).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^counter \([0-9a-f]{32}\) is active: NOT_CHECKED: /),
    });
    expect((await objectOf("own-bucket", "counter.bin")).equals(STREAM)).toBe(true);
    const { fpga_image } = await json("show", "counter");
    expect(fpga_image).toMatchObject({
      ...{ name: "counter", status: "active", description: "a counter" },
      ...{ metadata: { shell_version: "1.0" }, log_directory: "own-bucket:fpga-log" },
    });
  });

  it("ends at once with --no-wait", async () => {
    const end = await json("register", "counter.bin", "--name", "later", "--no-wait");
    expect(end).toEqual({ fpga_image: { id: expect.stringMatching(/^[0-9a-f]{32}$/), status: "saving" } });
    await whileWorking(ground.checked());
  });

  it("ends with exit code 1 and the reason when the file is refused", async () => {
    await writeFile(join(directory, "elf.bin"), Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(99, 1)]));
    const end = await register("elf.bin", "--name", "elf");
    expect(end).toMatchObject({ code: 1, stdout: expect.stringMatching(/is error: FORMAT_FOREIGN: .*ELF/) });
  });

  it("turns the words round and signs what it uploads, and says so in the metadata", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    await writeFile(join(directory, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(join(directory, "exact.json"), '{"n":12345678901234567890,"perigee_partial":true}');
    const options = ["--swap-words", "--sign", "key.pem", "--metadata-file", "exact.json"];
    expect(await register("counter.bin", "--name", "signed", ...options)).toMatchObject({ code: 0 });
    const uploaded = await objectOf("fpga-images", "counter.bin");
    expect(uploaded.equals(buildRawStream({ order: "little" }))).toBe(true);
    const { stdout } = await fpga("show", "signed", "--json");
    expect(stdout).toContain('"n":12345678901234567890,"perigee_partial":true,"perigee_swapped_words":true');
    const { fpga_image } = JSON.parse(stdout);
    expect(fpga_image.format).toBe("xilinx-bin-le");
    const digest = createHash("sha256").update(uploaded).digest("hex");
    const signature = Buffer.from(fpga_image.metadata.perigee_signature, "base64");
    expect(verify(null, Buffer.from(digest), publicKey, signature)).toBe(true);
  });

  it.each([
    [["none.bin", "--name", "n"], "none.bin"],
    [["counter.bin", "--name", "n", "--sign", "counter.bin"], "counter.bin is no Ed25519 private key"],
    [["counter.bin", "--name", "n", "--sign", "none.pem"], "none.pem"],
    [["odd.bin", "--name", "n", "--swap-words"], "no whole words"],
    [["counter.bin", "--name", "n", "--metadata-file", "list.json"], "no JSON object"],
    [["counter.bin", "--name", "n", "--meta", "a=b", "--metadata-file", "list.json"], "exclude each other"],
    [["counter.bin", "--name", "n", "--meta", "a"], "key=value"],
    [["counter.bin", "--name", "a b"], "name: is mandatory"],
    [["counter.bin"], "--name"],
  ])("refuses %j", async (words, said) => {
    await writeFile(join(directory, "odd.bin"), Buffer.alloc(65, 7));
    await writeFile(join(directory, "list.json"), "[]");
    const { code, stderr } = await fpga("register", ...words);
    expect(code).not.toBe(0);
    expect(stderr).toContain(said);
  });
});

describe("perigee fpga", () => {
  it("lists, shows and logs", async () => {
    expect((await fpga("list")).stdout).toMatch(
      /^ID +NAME +STATUS +MB +FORMAT +MESSAGE\n[0-9a-f]{32} +counter /,
    );
    const { fpgaimages } = await json("list");
    const [{ id }] = fpgaimages;
    expect((await fpga("show", id)).stdout).toMatch(/^name: +counter$/m);
    expect(await fpga("log", "counter", "-o", "log.tar")).toMatchObject({
      code: 0,
      stdout: "Saved log.tar\n",
    });
    expect(await readFile(join(directory, "log.tar"), "utf8")).toContain(`"id": "${id}"`);
    expect(await json("log", id)).toEqual({ file: `${id}_log.tar` });
  });

  it("takes a name that one image has, and an id of several", async () => {
    await register("counter.bin", "--name", "twice");
    await register("counter.bin", "--name", "twice");
    const several = await fpga("show", "twice");
    expect(several).toMatchObject({ code: 2, stderr: expect.stringContaining("2 images have this name") });
    const [id = ""] = several.stderr.match(/[0-9a-f]{32}/) ?? [];
    expect((await json("show", id)).fpga_image.name).toBe("twice");
    const none = await fpga("show", "nothing");
    expect([none.code, none.stderr]).toEqual([4, expect.stringContaining("FPGA_IMAGE_NOT_FOUND")]);
  });

  it("associates a container image, and runs it with the FPGA image that is chosen", async () => {
    const uuid = containerImageId(ground.project().id, "ada", "app");
    expect(await fpga("associate", "counter", "app")).toMatchObject({
      code: 0,
      stdout: "Associated counter with app\n",
    });
    expect((await fpga("associations", "counter")).stdout).toBe(`${uuid}\n`);
    expect(await json("associations", "counter")).toMatchObject({ associations: [{ image_id: uuid }] });
    const held = await fpga("rm", "counter");
    expect([held.code, held.stderr]).toEqual([1, expect.stringContaining("is protected")]);

    const run = async (...words: string[]) => {
      const running = perigee(["run", "app", "--node", "FPGA", "--max-duration", "1", ...words]);
      const { end, done } = await whileWorking(running, { em: 1 });
      return { ...end, input: done[0]?.input };
    };
    const { fpga_image } = await json("show", "counter");
    const { fpga_image: signed } = await json("show", "signed");
    expect(await run()).toMatchObject({ code: 0, input: { fpga: { image: fpga_image.id } } });
    expect(await run("--fpga", "signed")).toMatchObject({ code: 0, input: { fpga: { image: signed.id } } });
    expect((await run("--fpga", "none")).input).not.toHaveProperty("fpga");
    const unknown = await run("--fpga", "nothing");
    expect([unknown.code, unknown.stderr]).toEqual([4, expect.stringContaining("FPGA_IMAGE_NOT_FOUND")]);
    expect(unknown.input).toBeUndefined();

    expect((await fpga("dissociate", "counter", "app")).code).toBe(0);
    expect((await fpga("associations", "counter")).stdout).toBe("It is associated with nothing\n");
    const again = await fpga("dissociate", "counter", "app");
    expect([again.code, again.stderr]).toEqual([4, expect.stringContaining("is not related to image")]);
    expect(await fpga("rm", "counter")).toMatchObject({ code: 0, stdout: "Deleting counter\n" });
    await whileWorking(ground.checked());
    expect((await fpga("show", "counter")).code).toBe(4);
  });

  it("lists and deletes files in buckets", async () => {
    expect((await fpga("objects")).stdout).toMatch(/^OBJECT +SIZE +MODIFIED\n.*own-bucket:counter\.bin/s);
    expect((await fpga("objects", "rm", "own-bucket", "counter.bin")).stdout).toBe(
      "Deleted own-bucket:counter.bin\n",
    );
    const { data } = await json("objects");
    expect(data.map(({ location }: { location: string }) => location)).not.toContain(
      "own-bucket:counter.bin",
    );
    expect((await fpga("objects", "rm", "own-bucket", "counter.bin")).code).toBe(4);
    expect((await fpga("objects", "rm", "own-bucket")).stdout).toBe("Deleted the bucket own-bucket\n");
    expect((await fpga("objects", "rm", "own-bucket")).code).toBe(4);
    // it would be the id of an upload
    expect((await fpga("objects", "rm", "01JD6Z0V3E8T4Q5R6S7T8V9W00")).code).toBe(2);
  });

  it("makes, lists and revokes keys, and shows what a client's configuration asks for", async () => {
    const { id, domain } = ground.project();
    const key = await json("keys", "create");
    expect(key).toMatchObject({
      data: { access_key: expect.stringMatching(/^PG/), region: "em1", project_id: id, domain_id: domain },
      ...{ endpoint: `127.0.0.1:${ground.port}`, object_store: null, bucket: "fpga-images" },
    });
    const { stdout } = await fpga("keys", "create");
    for (const value of ["secret_key", "em1", id, domain, "fpga-images", `127.0.0.1:${ground.port}`]) {
      expect(stdout).toContain(value);
    }
    expect((await fpga("keys", "list")).stdout).toContain(key.data.access_key);
    expect((await fpga("keys", "revoke", key.data.access_key)).code).toBe(0);
    expect((await json("keys", "list")).data).toHaveLength(1);
    expect((await fpga("keys", "revoke", key.data.access_key)).code).toBe(4);
  });

  it("shows the devices that the edge has reported", async () => {
    expect((await fpga("devices")).stdout).toBe("The edge has reported no FPGA\n");
    const device = { node: "fpga", adapter: "xilinx-sysfs", formats: ["xilinx-bin-be"], state: "operating" };
    await ground.tell("heartbeat", {
      ...{ epoch: agent.epoch, nodes: [], usage: {}, free: 1e12, fpga: [device] },
    });
    expect((await fpga("devices")).stdout).toMatch(/^fpga +xilinx-sysfs +- +xilinx-bin-be +operating +-$/m);
    expect(await json("devices")).toMatchObject({ data: [device] });
  });

  it("says how much had arrived when contact was lost, and goes on when it is there again", async () => {
    const following = start(["fpga", "register", "counter.bin", "--name", "cut"]);
    const [command] = await claimed();
    const progress = { phase: "receiving", done: 2048, total: 4096, unit: "bytes" };
    const of = { user: "ada", command: command!.id, progress };
    await ground.tell("progress", { epoch: agent.epoch, commands: [of] });
    await following.shows("sent 0 of 1 MB");
    ground.setClock(Date.now() + 2 * LIMITS.contactMs);
    await following.shows("0 of 1 MB have arrived and contact was lost at ");
    ground.setClock(undefined);
    await agent.report(command!, stored(command!));
    expect(await following.ended).toMatchObject({ code: 0, stdout: expect.stringContaining("is active") });
  });
});
