import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openDirectoryObjects } from "#lambdas/adapters/directory/objects.ts";
import { DirectoryStaging } from "#lambdas/adapters/directory/staging.ts";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { Deployment, Lane } from "./deployment.ts";

/** What a test does with FPGA images through the API, as a user's client does it. */
export class FpgaLane {
  readonly project: string;
  readonly #lane: Lane;
  readonly #data: string;

  constructor(deployment: Deployment, lane: Lane) {
    this.#lane = lane;
    this.#data = deployment.data;
    this.project = projectOf({ name: lane.user, uid: lane.uid }, lane.edge).id;
  }

  get base(): string {
    return `/v1/${this.project}/cloudservers/fpga_image`;
  }

  /** Puts an object, registers it, and waits until the edge holds it, or it is refused. @returns its id */
  async register(name: string, content: Buffer, metadata: object = {}): Promise<string> {
    const key = `${name}.bin`;
    const options = { secret: "of no use" };
    const staging = await DirectoryStaging.open(join(this.#data, "staging"), options);
    const objects = await openDirectoryObjects(join(this.#data, "objects"), staging, options);
    await objects.put({ owner: this.#lane.uid, bucket: "fpga-files", key }, content, { maxBytes: 1e9 });
    const body = { fpga_image: { location: `fpga-files:${key}`, name, metadata } };
    const answer = await this.#lane.client.request("POST", this.base, {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { id } = answer.json.fpga_image as { id: string };
    for (;;) {
      const { status } = await this.detail(id);
      if (status === "active" || status === "error") return id;
      await pause(50);
    }
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
