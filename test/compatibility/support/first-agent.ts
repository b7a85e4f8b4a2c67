import { FIRST_CLAIMED, FIRST_INPUTS, type FirstClaimed, type FirstName } from "./first-wire.ts";

type Volumes = Map<string, Map<string, Buffer>>;
type Done = { command: FirstClaimed; input: unknown };

/**
 * An edge with an agent that speaks the wire of version 0.1 and nothing else: it starts without operations and
 * features, claims one command at a time without room, asks about it and reports it, and sends content to a signed
 * URL in one piece. Volumes and images are in memory. What it is given that version 0.1 would not take fails it.
 */
export class FirstAgent {
  readonly #url: string;
  readonly #token: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #volumes: Volumes = new Map();
  readonly #images = new Set<string>();
  readonly #pods = new Map<string, string>();
  #epoch = 0;
  /** what it was given, in order */
  readonly done: Done[] = [];
  /** paths of the ground that it asked for */
  readonly asked = new Set<string>();

  private constructor(url: string, token: string, epoch: number) {
    this.#url = url;
    this.#token = token;
    this.#epoch = epoch;
    this.#running = this.#run();
    // told by stop()
    this.#running.catch(() => {});
  }

  static async start(url: string, token: string): Promise<FirstAgent> {
    const started = await post(url, token, "start", { journal: "first", version: "0.1.0" });
    const { epoch } = (await started.json()) as { epoch: number };
    const agent = new FirstAgent(url, token, epoch);
    await agent.#post("heartbeat", {
      nodes: [{ name: "mpu", status: "True", kind: "MPU" }],
      usage: {},
      free: 1e12,
    });
    return agent;
  }

  /** @throws what it could not take of what it was given */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const answer = await this.#post("claim", {});
      if (answer.status === 204) {
        await this.#ring();
        continue;
      }
      const command = FIRST_CLAIMED.parse(await answer.json());
      const input = FIRST_INPUTS[command.operation].parse(command.input);
      this.done.push({ command, input });
      const of = { user: command.user, command: command.id };
      const asked = await this.#post("progress", { ...of, progress: { phase: "working" } });
      const { cancel } = (await asked.json()) as { cancel: boolean };
      const outcome = cancel
        ? { state: "cancelled" }
        : { state: "succeeded", result: await this.#do(command, input as never) };
      const reported = await this.#post("report", { ...of, outcome });
      if (((await reported.json()) as { acknowledged: boolean }).acknowledged !== true) {
        throw new Error("the report was not acknowledged");
      }
    }
  }

  async #ring(): Promise<void> {
    this.asked.add("doorbell");
    const headers = { authorization: `Bearer ${this.#token}` };
    const signal = this.#stop.signal;
    try {
      await (await fetch(`${this.#url}/agent/doorbell?wait=20`, { headers, signal })).arrayBuffer();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #do({ user, id, operation }: FirstClaimed, input: never): Promise<unknown> {
    const of = input as Record<string, string>;
    const does: Record<FirstName, () => unknown> = {
      "volume.uplink": () => this.#uplink(user, id, of.volume!),
      "volume.list": () => ({
        listing: JSON.stringify(
          [...this.#volume(of.volume!)].map(([path, { length }]) => ({ path, size: length })),
        ),
        truncated: false,
      }),
      "volume.read": () => this.#read(user, id, of.volume!, of.path!),
      "volume.delete": () => this.#did(this.#volume(of.volume!).delete(of.path!)),
      "volumes.list": () => ({
        volumes: [...this.#volumes].map(([name, files]) => ({ name, size: files.size, created: 0 })),
      }),
      "volumes.delete": () => this.#did(this.#volumes.delete(of.volume!)),
      "image.build": () => this.#did(this.#images.add(of.image!).has(of.image!)),
      "image.load": () => this.#did(this.#images.add(of.image!).has(of.image!)),
      "image.list": () => ({
        images: [...this.#images].map((name) => ({
          name,
          tag: "latest",
          id: "sha256:1",
          size: 1,
          created: 0,
        })),
      }),
      "image.delete": () => this.#did(this.#images.delete(of.image!)),
      "pod.run": () => this.#did(this.#pods.set(of.pod!, id).has(of.pod!)),
      "pod.status": () => ({ state: { running: { startedAt: "2025-11-20T12:31:12Z" } } }),
      "pod.stop": () => this.#did(this.#pods.delete(of.pod!)),
      "nodes.status": () => ({ nodes: [{ name: "mpu", status: "True" }] }),
      "edge.publish": () => ({}),
    };
    return does[operation]();
  }

  async #uplink(user: string, command: string, volume: string): Promise<unknown> {
    const files = this.#volume(volume);
    const get = async (what: (number | "manifest")[]) => {
      const answer = await this.#post("urls", { user, command, get: what, put: [] });
      const { get: urls } = (await answer.json()) as { get: string[] };
      return Promise.all(
        urls.map(async (url) => Buffer.from(await (await fetch(new URL(url, this.#url))).arrayBuffer())),
      );
    };
    const [manifest] = await get(["manifest"]);
    const listed = JSON.parse(String(manifest)) as { n: number; path: string }[];
    const contents = await get(listed.map(({ n }) => n));
    for (const [i, { path }] of listed.entries()) files.set(path, contents[i]!);
    return { count: listed.length, bytes: contents.reduce((sum, { length }) => sum + length, 0) };
  }

  async #read(user: string, command: string, volume: string, path: string): Promise<unknown> {
    const content = this.#volume(volume).get(path)!;
    const size = content.length;
    const put = [{ n: 0, maxBytes: size, size }];
    const answer = await this.#post("urls", { user, command, get: [], put });
    const [url] = ((await answer.json()) as { put: string[] }).put;
    const sent = await fetch(new URL(url!, this.#url), { method: "PUT", body: new Uint8Array(content) });
    if (sent.status !== 200) throw new Error(`content was refused: ${sent.status}`);
    const name = path.split("/").at(-1)!;
    return { kind: "file", name, total: size, etag: '"1"', modified: 0, content: { n: 0, size } };
  }

  #did(done: boolean): object {
    if (!done) throw new Error("there was nothing to do that to");
    return {};
  }

  #volume(name: string): Map<string, Buffer> {
    const files = this.#volumes.get(name) ?? new Map<string, Buffer>();
    this.#volumes.set(name, files);
    return files;
  }

  async #post(path: string, body: object): Promise<Response> {
    this.asked.add(path);
    const answer = await post(this.#url, this.#token, path, { epoch: this.#epoch, ...body });
    if (!answer.ok) throw new Error(`POST /agent/${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}

function post(url: string, token: string, path: string, body: object): Promise<Response> {
  return fetch(`${url}/agent/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
