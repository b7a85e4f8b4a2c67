import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type DemoClient, type Field, pause, type Said } from "./demo-client.ts";

const EXAMPLE = resolve(import.meta.dirname, "../examples/echo-test");
const POD = "echo-test";
const POLL_MS = 500;

/** What the demo found different from what it must be. */
export class Different extends Error {
  override readonly name = "Different";
}

/**
 * The main job on examples/echo-test: uplink, list, build, run, status until terminated, logs, downlink,
 * bytes compared, delete.
 * @param step announces what comes next
 * @throws Different when an answer or the bytes are not what they must be
 */
export async function doMainJob(
  client: DemoClient,
  step: (what: string) => void,
  deadline: AbortSignal,
): Promise<void> {
  const message = Buffer.from(`hello, orbit ${randomBytes(8).toString("hex")}\n`);

  step("Uplink the payload and a message for it");
  const uplinked = await client.send("POST", "/em/files/uplink", [
    file("Dockerfile"),
    file("echo-test.sh"),
    ...form({ dest_path: "echo-test", pod_name: POD }),
  ]);
  expectJson(uplinked, { message: "Successfully uplinked files" });
  const sent: Field = { name: "files", file: "uplink.txt", content: message };
  expectJson(await client.send("POST", "/em/files/uplink", [sent, ...form({ pod_name: POD })]), {
    message: "Successfully uplinked files",
    data: { file_count: 1, total_size_kb: Math.round((message.length / 1024) * 100) / 100 },
  });

  step("See it in the volume on the edge");
  const listed = expectJson(await client.send("GET", `/em/files/list?pod_name=${POD}`), {
    message: "Successfully listed files",
  });
  const names = (listed.data as { name: string }[]).map((entry) => entry.name).join(" ");
  if (names !== "echo-test uplink.txt") throw new Different(`the volume holds: ${names}`);

  step("Build its image on the edge, without a network");
  const build = form({
    dockerfile: "echo-test/Dockerfile",
    context: "echo-test/",
    image: "echo-test",
    pod_name: POD,
  });
  expectJson(await client.send("POST", "/em/pod/image/build", build), {
    message: "Docker Image built successfully",
  });

  step("Run it, and wait until it has terminated");
  const run = form({ image: "echo-test", node: "MPU", max_duration: "5", pod_name: POD });
  expectJson(await client.send("POST", "/em/pod/run", run), { message: "Docker run scheduled successfully" });
  await terminated(client, deadline);
  await client.send("GET", `/em/pod/logs?pod_name=${POD}`);

  step("Downlink what it wrote, and compare every byte");
  const downlinked = await client.send("GET", `/em/files/downlink?filepath=downlink.txt&pod_name=${POD}`);
  expectStatus(downlinked, 200);
  const expected = expectedDownlink(message);
  if (!downlinked.body.equals(expected)) {
    throw new Different(`downlink.txt is not what it must be, which is:\n${expected.toString()}`);
  }
  step(`✓ all ${expected.length} bytes of downlink.txt are as they must be`);

  step("Delete everything");
  const path = form({ filepath: "downlink.txt", pod_name: POD });
  expectJson(await client.send("POST", "/em/files/delete", path), { message: "File deleted successfully" });
  expectJson(await client.send("POST", "/em/pod/image/delete", form({ image: "echo-test" })), {
    message: "Docker Image deleted successfully",
  });
  expectJson(await client.send("POST", "/em/pvc/delete", form({ pvc_name: POD })), {
    message: "Volume deleted successfully",
  });
  const left = expectJson(await client.send("GET", "/em/pvc/list"), {});
  if ((left.data as unknown[]).length > 0) throw new Different("a volume is left");
}

/** What examples/echo-test makes of a message. */
export function expectedDownlink(message: Buffer): Buffer {
  const sum = createHash("sha256").update(message).digest("hex");
  return Buffer.concat([Buffer.from(`echo-test\nbytes ${message.length}\nsha256 ${sum}\n--\n`), message]);
}

async function terminated(client: DemoClient, deadline: AbortSignal): Promise<void> {
  for (;;) {
    const said = expectJson(await client.send("GET", `/em/pod/status?pod_name=${POD}`), {});
    const { state } = said.data as { state: { terminated?: { exitCode: number } } };
    if (state.terminated?.exitCode === 0) return;
    if (state.terminated) throw new Different(`the pod ended with exit code ${state.terminated.exitCode}`);
    await pause(POLL_MS, deadline);
  }
}

function file(name: string): Field {
  return { name: "files", file: name, content: readFileSync(join(EXAMPLE, name)) };
}

function form(values: Record<string, string>): Field[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function expectStatus(said: Said, status: number): void {
  if (said.status !== status) throw new Different(`expected ${status}, got ${said.status}`);
}

/** A 200 whose JSON holds these fields with these values. */
function expectJson(said: Said, fields: Record<string, unknown>): Record<string, unknown> {
  expectStatus(said, 200);
  const body = JSON.parse(said.body.toString()) as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    if (JSON.stringify(body[name]) !== JSON.stringify(value)) {
      throw new Different(
        `expected "${name}" to be ${JSON.stringify(value)}, got ${JSON.stringify(body[name])}`,
      );
    }
  }
  return body;
}
