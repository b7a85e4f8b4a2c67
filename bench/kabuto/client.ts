import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import type { BenchStack } from "../bench-stack.ts";

export type Job = { id: number; pipeline: number };
type View = { state: string; response: number | null; reason: string | null };

/** Kabuto's API as a client that wants to be fast uses it: `wait` in place of pauses. */
export class KabutoClient {
  readonly #bench: BenchStack;
  /** of an image that is the base image and nothing else */
  readonly image: number;

  private constructor(bench: BenchStack, image: number) {
    this.#bench = bench;
    this.image = image;
  }

  static async open(bench: BenchStack): Promise<KabutoClient> {
    const fields = { name: "bench", dockerfile: `FROM ${BASE_IMAGE}\n` };
    const { build_id } = (await bench.post("/image", fields)) as { build_id: string };
    for (;;) {
      const build = (await bench.get(`/image/build/${build_id}?wait=25`)) as { state: string; id: number };
      if (build.state === "SUCCESS") return new KabutoClient(bench, build.id);
      if (build.state !== "PENDING") throw new Error(`the image was not built: ${JSON.stringify(build)}`);
    }
  }

  async pipeline(): Promise<number> {
    return idOf(await this.#bench.post("/pipeline", { name: "bench" }));
  }

  /** A job of `/bin/sh -c script`. */
  async job(pipeline: number, script: string, files: Record<string, Uint8Array> = {}): Promise<Job> {
    const body = new FormData();
    body.append("image_id", String(this.image));
    body.append("command", `sh -c '${script.replaceAll("'", "'\\''")}'`);
    for (const [name, bytes] of Object.entries(files))
      body.append("attachments", new Blob([bytes as never]), name);
    const { url, headers } = this.#bench;
    const answer = await fetch(`${url}/pipeline/${pipeline}/job`, { method: "POST", headers, body });
    return { id: idOf(await answer.json()), pipeline };
  }

  async submit(pipeline: number): Promise<void> {
    await this.#bench.post(`/pipeline/${pipeline}/submit`, {});
  }

  /** A job by itself, submitted. */
  async run(script: string, files?: Record<string, Uint8Array>): Promise<Job> {
    const job = await this.job(await this.pipeline(), script, files);
    await this.submit(job.pipeline);
    return job;
  }

  async view(job: Job, wait = 0): Promise<View> {
    const jobs = await this.#bench.get(`/pipeline/${job.pipeline}/job/${job.id}?wait=${wait}`);
    return (jobs as Record<number, View>)[job.id]!;
  }

  async running(job: Job): Promise<void> {
    while ((await this.view(job, 25)).state === "in_queue");
  }

  /** @throws Error when it ended otherwise than well */
  async done(job: Job): Promise<void> {
    for (;;) {
      const view = await this.view(job, 25);
      if (view.state === "done" && view.response === 0) return;
      if (["done", "failed"].includes(view.state))
        throw new Error(`a job ended with ${JSON.stringify(view)}`);
    }
  }

  async kill(job: Job): Promise<void> {
    await this.#bench.post(`/pipeline/${job.pipeline}/job/${job.id}/kill`, {});
    while (!["done", "failed"].includes((await this.view(job, 25)).state));
  }

  /** Fetches the zip into a file. */
  async results(job: Job, file: string): Promise<void> {
    const { url, headers } = this.#bench;
    const answer = await fetch(`${url}/pipeline/${job.pipeline}/job/${job.id}?result`, { headers });
    if (answer.headers.get("content-type") !== "application/zip") throw new Error(await answer.text());
    await pipeline(Readable.fromWeb(answer.body as never), createWriteStream(file));
  }

  async rows(job: Job, after: number, limit: number, wait = 0): Promise<{ id: number; logline: string }[]> {
    const rows = await this.#bench.get(`/execution/${job.id}/logs/${after}?limit=${limit}&wait=${wait}`);
    return rows as { id: number; logline: string }[];
  }
}

function idOf(answer: unknown): number {
  const { id } = answer as { id?: number };
  if (typeof id === "number") return id;
  throw new Error(`an answer without an id: ${JSON.stringify(answer)}`);
}
