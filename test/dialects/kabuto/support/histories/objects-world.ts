import type { ClaimedCommand, ClaimResponse } from "#protocol/wire.ts";
import type { MemoryObjects } from "#test/support/memory-staging.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { type Beginning, groundInMemory } from "./job-ground.ts";
import type { Answer, Files, ObjectAct } from "./objects-model.ts";

/** A ground in memory whose routes are called without a network, and an edge that begins and ends jobs when it is told. */
export class ObjectsWorld {
  readonly objects: MemoryObjects = new Map();
  readonly #app: ReturnType<typeof groundInMemory>["app"];
  readonly #beginning: Beginning;
  #epoch = 0;
  #turn = 0;
  readonly #have = new Map<string, ClaimedCommand>();

  constructor(beginning: Beginning) {
    const table = new MemoryTable();
    table.load(beginning.items);
    this.#beginning = beginning;
    this.#app = groundInMemory(table.open(), this.objects).app;
  }

  async start(): Promise<void> {
    const hello = { journal: "j", version: "9", operations: ["job.run"], features: ["spaces", "lanes"] };
    this.#epoch = ((await this.#agent("start", hello)) as { epoch: number }).epoch;
  }

  /** Makes a request. @returns its answer */
  async ask(act: ObjectAct): Promise<Answer> {
    const of = "pipeline" in act ? `/pipeline/${act.pipeline}` : "/pipeline";
    switch (act.kind) {
      case "make pipeline":
        return this.#json("POST", "/pipeline", { name: act.name });
      case "rename":
        return this.#json("PUT", of, { name: act.name });
      case "delete pipeline":
        return this.#json("DELETE", of);
      case "make job":
        return this.#json("POST", `${of}/job`, { image_id: "1", command: act.command }, act.files);
      case "change job":
        return this.#json("PUT", `${of}/job/${act.job}`, { command: act.command }, act.files);
      case "delete job":
        return this.#json("DELETE", `${of}/job/${act.job}`);
      case "remove":
        return this.#json("PUT", of, { remove_jobs: act.jobs.join(",") });
      case "rearrange":
        return this.#json("PUT", of, { rearrange_jobs: act.jobs.join(", ") });
      case "submit":
        return this.#json("POST", `${of}/submit`);
      case "cancel":
        return this.#json("POST", `${of}/cancel`);
    }
  }

  /** What `GET /pipeline` and `GET /jobs` show. */
  async shown() {
    type Pipeline = { id: number; name: string; jobs: { id: number }[] };
    type Job = { id: number; pipeline: { id: number }; command: string | null; state: string };
    const pipelines = Object.values(await this.#json("GET", "/pipeline")) as Pipeline[];
    const jobs = Object.values(await this.#json("GET", "/jobs")) as Job[];
    return {
      pipelines: pipelines.map(({ id, name, jobs }) => [id, name, jobs.map((job) => job.id)]),
      jobs: jobs.map(({ id, pipeline, command, state }) => [id, pipeline.id, command, state]),
    };
  }

  /** Contents of all attachments that are kept. */
  contents(): string[] {
    return [...this.objects]
      .flatMap(([key, bytes]) => (/\/inbox\/[^/]+\/\d+$/.test(key) ? `${bytes}` : []))
      .sort();
  }

  /** Inboxes and results that are kept. */
  places(): number {
    const names = [...this.objects.keys()].map((key) => /\/(?:inbox|results)\/[^/]+\//.exec(key)?.[0] ?? "");
    return new Set(names.filter((name) => name !== "")).size;
  }

  /** The edge claims what waits. @returns the numbers of the jobs, with the files that each gets */
  async claim(): Promise<{ job: number; files: Files }[]> {
    const asked = { turn: ++this.#turn, room: { kabuto: 64 }, have: [...this.#have.keys()] };
    const { commands } = (await this.#agent("claim", asked)) as unknown as ClaimResponse;
    for (const command of commands) this.#have.set(command.id, command);
    return commands.map(({ input, manifest }) => ({
      job: Number((input as { pod: string }).pod.slice(1)),
      files: manifest === undefined ? {} : this.#filesAt(manifest),
    }));
  }

  async begin(): Promise<void> {
    const commands = [...this.#have.values()].map(({ id, user }) => {
      return { user, command: id, progress: { phase: "running" }, granted: true };
    });
    if (commands.length > 0) await this.#agent("progress", { commands });
  }

  async finish(): Promise<void> {
    for (const { id, user, lane } of this.#have.values()) {
      const used = { cpuMs: 0, memoryBytes: 0, ioBytes: 0 };
      const end = {
        state: "failed",
        reason: "StartError",
        exitCode: null,
        startedAt: null,
        finishedAt: null,
      };
      const outcome = { state: "succeeded", result: { ...end, used, logBytes: 0 } };
      await this.#agent("report", { user, command: id, lane, outcome });
    }
    this.#have.clear();
  }

  #filesAt(manifest: string): Files {
    const listed = JSON.parse(`${this.objects.get(manifest)}`) as { n: number; path: string }[];
    const prefix = manifest.slice(0, manifest.lastIndexOf("/") + 1);
    return Object.fromEntries(listed.map(({ n, path }) => [path, `${this.objects.get(`${prefix}${n}`)}`]));
  }

  async #json(
    method: string,
    path: string,
    fields: Record<string, string> = {},
    files: Files = {},
  ): Promise<Answer> {
    const body = Object.keys(files).length > 0 ? new FormData() : new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    for (const [name, text] of Object.entries(files)) {
      (body as FormData).append("attachments", new Blob([text]), name);
    }
    const response = await this.#app.request(path, {
      method,
      headers: { cookie: this.#beginning.cookie },
      ...(["POST", "PUT"].includes(method) && { body }),
    });
    return (await response.json()) as Answer;
  }

  async #agent(path: string, body: object): Promise<Answer> {
    const response = await this.#app.request(`/agent/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#beginning.token}` },
      body: JSON.stringify({ ...(this.#epoch > 0 && { epoch: this.#epoch }), ...body }),
    });
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Answer;
  }
}
