import { setTimeout as pause } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { Answer } from "#test/contract/support/client.ts";
import type { Lane } from "./deployment.ts";

type Registered = { metadata?: object; headers?: Record<string, string> };
export type ListedImage = {
  id: string;
  name: string;
  status: string;
  message: string | null;
  sha256: string | null;
};

const BUCKET = "fpga-files";

/** What a test does with FPGA images through the API, as a user's client does it. */
export class FpgaLane {
  readonly project: string;
  readonly #lane: Lane;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.project = projectOf({ name: lane.user, uid: lane.uid }, lane.edge).id;
  }

  get base(): string {
    return `/v1/${this.project}/cloudservers/fpga_image`;
  }

  /** Puts an object, registers it, and waits until the edge holds it, or it is refused. @returns its id */
  async register(name: string, content: Buffer, metadata: object = {}): Promise<string> {
    await this.put(`${name}.bin`, content);
    const answer = await this.post(name, { metadata });
    const { id } = answer.json.fpga_image as { id: string };
    for (;;) {
      const image = await this.detail(id);
      if (image?.status === "active" || image?.status === "error") return id;
      await pause(50);
    }
  }

  /** Puts an object, or another in its place. */
  async put(key: string, content: Buffer): Promise<void> {
    const checksum = crc32(content).toString(16).padStart(8, "0");
    const parts = [{ size: content.length, crc32: checksum }];
    const opened = await this.#post("/fpga/objects", { bucket: BUCKET, key, size: content.length, parts });
    const { id: upload, parts: signed } = opened.json.data;
    const { url, headers } = signed[0];
    const put = await fetch(new URL(url, this.#lane.client.url), { method: "PUT", headers, body: content });
    if (!put.ok) throw new Error(await put.text());
    await this.#post(`/fpga/objects/${upload}/complete`, {});
  }

  /** The registration alone, of the object of that name. */
  post(name: string, { metadata = {}, headers = {} }: Registered = {}): Promise<Answer> {
    const body = { fpga_image: { location: `${BUCKET}:${name}.bin`, name, metadata } };
    return this.#post(this.base, body, headers);
  }

  delete(id: string): Promise<Answer> {
    return this.#lane.client.request("DELETE", `${this.base}/${id}`);
  }

  async #post(path: string, body: object, more: Record<string, string> = {}): Promise<Answer> {
    const headers = { "content-type": "application/json", ...more };
    const answer = await this.#lane.client.request("POST", path, { headers, body: JSON.stringify(body) });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer;
  }

  /** Undefined when there is none. */
  async detail(id: string): Promise<ListedImage | undefined> {
    return (await this.list({ fpga_image_id: id }))[0];
  }

  async list(query: Record<string, string> = {}): Promise<ListedImage[]> {
    return (await this.#lane.client.get(`${this.base}/detail`, query)).json.fpgaimages;
  }

  run(pod_name: string, command: string, fields: Record<string, string> = {}) {
    return this.#lane.client.form("/em/pod/run", {
      image: "busybox",
      max_duration: 5,
      node: "FPGA",
      pod_name,
      command,
      ...fields,
    });
  }

  /** The state of a pod's newest run, as soon as `wanted` says so of it, as reported. */
  async state(pod: string, wanted: (state: ContainerState) => boolean): Promise<ContainerState> {
    for (;;) {
      const { pods } = (await this.#lane.client.get("/edge")).json.data as {
        pods: { pod_name: string; state: ContainerState }[];
      };
      const found = pods.find(({ pod_name, state }) => pod_name === pod && wanted(state));
      if (found) return found.state;
      await pause(50);
    }
  }

  async end(pod: string) {
    const state = await this.state(pod, (state) => "terminated" in state);
    if (!("terminated" in state)) throw new Error("not terminated");
    return state.terminated;
  }

  async log(pod_name: string): Promise<string> {
    return (await this.#lane.client.get("/em/pod/logs", { pod_name })).text;
  }
}
