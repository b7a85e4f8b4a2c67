import { setTimeout as pause } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { Answer } from "#test/contract/support/client.ts";
import type { Lane } from "./deployment.ts";

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
    const key = `${name}.bin`;
    const checksum = crc32(content).toString(16).padStart(8, "0");
    const parts = [{ size: content.length, crc32: checksum }];
    const opened = await this.#post("/fpga/objects", {
      bucket: "fpga-files",
      key,
      size: content.length,
      parts,
    });
    const { id: upload, parts: signed } = opened.json.data;
    const { url, headers } = signed[0];
    const put = await fetch(new URL(url, this.#lane.client.url), { method: "PUT", headers, body: content });
    if (!put.ok) throw new Error(await put.text());
    await this.#post(`/fpga/objects/${upload}/complete`, {});
    const body = { fpga_image: { location: `fpga-files:${key}`, name, metadata } };
    const answer = await this.#post(this.base, body);
    const { id } = answer.json.fpga_image as { id: string };
    for (;;) {
      const { status } = await this.detail(id);
      if (status === "active" || status === "error") return id;
      await pause(50);
    }
  }

  async #post(path: string, body: object): Promise<Answer> {
    const headers = { "content-type": "application/json" };
    const answer = await this.#lane.client.request("POST", path, { headers, body: JSON.stringify(body) });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer;
  }

  async detail(id: string) {
    const answer = await this.#lane.client.get(`${this.base}/detail`, { fpga_image_id: id });
    return answer.json.fpgaimages[0] as { status: string; message: string | null };
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
