import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { LABEL } from "#agent/pods/labels.ts";
import type { Answer } from "#test/contract/support/client.ts";
import { tarOf } from "#test/support/saved-archive.ts";
import { docker, type Lane } from "./deployment.ts";

/** Counts its starts, and its stops, in the volume at /data. */
const PROGRAM = `trap 'echo x >> /data/stopped; exit 0' TERM
echo x >> /data/started
while :; do sleep 0.1; done
`;
/** Other runs of these tests use the same engine. */
const unique = `t${process.pid}x${Date.now().toString(36)}`;
const IMAGE_LABEL = "test.unik";

/** Waits until it throws no more: of tests that run beside each other, too. */
export const soon = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 90_000, interval: 100 });

export type Instance = { Id: string; Name: string; State: string; ImageId: string };

/** One user of UniK's API, with an instance whose starts and stops can be counted. */
export class UnikUser {
  readonly lane: Lane;
  readonly #label: string;

  constructor(lane: Lane) {
    this.lane = lane;
    this.#label = `${unique}-${lane.user}`;
  }

  /** Makes an image, whose content says `version`, in place of one of that name. */
  create(name: string, version: string): Promise<Answer> {
    const labels = `LABEL ${IMAGE_LABEL}=${this.#label} version=${version}`;
    return this.#compile(name, `FROM busybox\n${labels}\nCOPY run.sh /\nCMD ["sh", "/run.sh"]\n`);
  }

  /** Sends sources that do not compile, and asks that what they leave is kept. */
  createFailing(name: string): Promise<Answer> {
    return this.#compile(name, "FROM busybox\nRUN echo because; false\n", "&no_cleanup=true");
  }

  async #compile(name: string, dockerfile: string, more = ""): Promise<Answer> {
    const archive = await tarOf([
      { name: "Dockerfile", content: dockerfile },
      { name: "run.sh", content: PROGRAM },
    ]);
    const body = new FormData();
    body.append("tarfile", new Blob([Buffer.from(archive)]), "x");
    const query = `provider=docker&base=docker&lang=native&mounts=/data&force=true${more}`;
    return this.lane.client.request("POST", `/unik/images/${name}/create?${query}`, { body });
  }

  async volume(name: string): Promise<void> {
    const answer = await this.call("POST", `volumes/${name}?provider=docker&size=1`);
    expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  }

  /** Makes a volume with one file in it. */
  async filled(name: string, file: string, content: string): Promise<Answer> {
    const archive = await tarOf([{ name: file, content }]);
    const body = new FormData();
    body.append("tarfile", new Blob([Buffer.from(archive)]), "x");
    return this.lane.client.request("POST", `/unik/volumes/${name}?provider=docker`, { body });
  }

  run(image: string, name: string, volume: string, headers: Record<string, string> = {}): Promise<Answer> {
    const body = { ImageName: image, InstanceName: name, Mounts: { "/data": volume } };
    return this.lane.client.json("/unik/instances/run", body, { headers });
  }

  call(method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.lane.client.request(method, `/unik/${path}`, { headers });
  }

  async instances(): Promise<Instance[]> {
    return (await this.call("GET", "instances")).json;
  }

  /** Waits until the instance is in this state, and has begun so often on this volume. */
  async until(name: string, State: string, volume: string, starts: number): Promise<void> {
    await soon(async () => {
      const instance = (await this.instances()).find((one) => one.Name === name);
      expect([instance?.State, this.lines(volume, "started")]).toEqual([State, starts]);
    });
  }

  /** How many lines instances have written to a file of a volume. */
  lines(volume: string, file: string): number {
    const path = join(this.lane.volume(volume), file);
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
  }

  /** What is kept on the edge of this user's failed compiles: the names in it, by command. */
  kept(): Record<string, string[]> {
    const place = join(this.lane.volume("any"), "../../.failed-builds", this.lane.user);
    const commands = existsSync(place) ? readdirSync(place) : [];
    return Object.fromEntries(commands.map((command) => [command, readdirSync(join(place, command)).sort()]));
  }

  /** Waits until the engine holds these versions of images, and so many containers, of this user's. */
  engineHas(images: string[], containers: number): Promise<void> {
    return soon(async () => expect(await this.inEngine()).toEqual({ images: images.sort(), containers }));
  }

  /** What the engine holds of this user: versions of images, and names of containers. */
  async inEngine(): Promise<{ images: string[]; containers: number }> {
    const image = { label: [`${IMAGE_LABEL}=${this.#label}`] };
    const container = { label: [`${LABEL.user}=${this.lane.user}`] };
    const images = await docker.listImages({ filters: JSON.stringify(image) });
    const containers = await docker.listContainers({ all: true, filters: JSON.stringify(container) });
    const ours = containers.filter(({ Labels }) => Labels[IMAGE_LABEL] === this.#label);
    const versions = images.map(({ Labels }) => Labels.version ?? "");
    return { images: versions.sort(), containers: ours.length };
  }
}
