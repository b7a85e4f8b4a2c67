import { execFile } from "node:child_process";
import { closeSync, fsyncSync, openSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { FifoDevice } from "#test/support/fpga/fifo-device.ts";
import { signObjects } from "#test/support/fpga/sign-objects.ts";
import { type BenchStack, startBenchStack } from "../bench-stack.ts";
import { program } from "../program.ts";

export const run = promisify(execFile);
const POLL_MS = 10;
const BUCKET = "bench";

type Key = { access_key: string; secret_key: string; project_id: string; object_store_port: number };
export type Item = { id: string; status: string; message: string | null };

/** Ground and agent with a simulated device, its object store, and an access key of the user's. */
export class FpgaBench {
  readonly bench: BenchStack;
  readonly device: FifoDevice;
  readonly key: Key;
  readonly base: string;
  readonly #curl = program("curl");

  private constructor(bench: BenchStack, device: FifoDevice, key: Key) {
    this.bench = bench;
    this.device = device;
    this.key = key;
    this.base = `/v1/${key.project_id}/cloudservers/fpga_image`;
  }

  static async start(): Promise<FpgaBench> {
    const device = new FifoDevice();
    const env = { PERIGEE_DIALECTS: "em,fpga", PERIGEE_OBS_PORT: String(await freePort()) };
    const config = (scratch: string) => {
      const path = join(scratch, "agent.json");
      const of = { node: "fpga", root: device.root, idcode: "0x03822093" };
      writeFileSync(path, JSON.stringify({ fpga: [of] }));
      return path;
    };
    const bench = await startBenchStack(env, { config });
    const answer = await fetch(`${bench.url}/fpga/keys`, { method: "POST", headers: bench.headers });
    return new FpgaBench(bench, device, ((await answer.json()) as { data: Key }).data);
  }

  /** Puts a file into the object store, with curl. */
  async put(key: string, path: string): Promise<void> {
    const target = `/${BUCKET}/${key}`;
    const { access_key: accessKey, secret_key: secret, object_store_port: port } = this.key;
    const headers = { date: new Date().toUTCString() };
    const authorization = signObjects({ accessKey, secret, method: "PUT", target, headers });
    const sent = [`Authorization: ${authorization}`, `Date: ${headers.date}`, "Content-Type:"];
    const words = sent.flatMap((header) => ["-H", header]);
    await run(this.#curl, ["-sSf", "-T", path, ...words, `http://127.0.0.1:${port}${target}`]);
  }

  /** @returns the image's id, as soon as the ground has answered */
  async register(name: string, key: string): Promise<string> {
    const body = JSON.stringify({ fpga_image: { location: `${BUCKET}:${key}`, name, metadata: {} } });
    const { url, headers } = this.bench;
    const answer = await fetch(url + this.base, { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(await answer.text());
    return ((await answer.json()) as { fpga_image: { id: string } }).fpga_image.id;
  }

  /** @throws Error with the reason when it does not become active */
  async active(id: string): Promise<void> {
    for (;;) {
      const [image] = await this.detail(`?fpga_image_id=${id}`);
      if (image?.status === "active") return;
      if (image?.status !== "saving") throw new Error(`the image ended: ${image?.message}`);
      await sleep(POLL_MS);
    }
  }

  async detail(query = ""): Promise<Item[]> {
    return ((await this.bench.get(`${this.base}/detail${query}`)) as { fpgaimages: Item[] }).fpgaimages;
  }

  /** Deletes an image, and waits until the edge has done so too. */
  async remove(id: string): Promise<void> {
    const { url, headers } = this.bench;
    await fetch(`${url}${this.base}/${id}`, { method: "DELETE", headers });
    while ((await this.detail(`?fpga_image_id=${id}`)).length > 0) await sleep(POLL_MS);
  }

  async stop(): Promise<void> {
    await this.bench.stop();
    this.device.close();
  }
}

/** ms that `work` takes. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** What a file holds is on the disk when this returns. */
export function sync(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
