import { createHash, randomUUID } from "node:crypto";
import { expect } from "vitest";
import { completeRun } from "#lambdas/dialects/fpga/complete-run.ts";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { type CountRecord, type ImageRecord, keys } from "#lambdas/dialects/fpga/images/image-record.ts";
import { type Project, projectOf } from "#lambdas/dialects/fpga/project.ts";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type Fate, ImageEdge } from "./image-edge.ts";
import { ImageGround, Lasting } from "./image-grounds.ts";

/** Of a transaction: its process dies with it, which landed or not, or is not told that it landed. */
export type Failure = "dies before" | "dies after" | "answer lost";

const EDGE = "em1";
const USER = "ada";
export const CONTAINERS = ["app", "tool"];
/** What the object may be: streams, a program, nothing. */
export const VERSIONS: readonly (Buffer | undefined)[] = [
  buildRawStream(),
  Buffer.concat([buildRawStream(), buildRawStream()]),
  Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(100, 1)]),
  undefined,
];
const OBJECT = { bucket: "obs-fpga", key: "fpga.bin" };
/** A file whose reader died is left alone for less than this. */
const LEASE_MS = 60_000;

export const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A user's FPGA images over grounds and an agent that die, and how they are looked at. */
export class ImageWorld {
  readonly #lasting = new Lasting();
  /** looks, and never dies */
  readonly #observer = new ImageGround(this.#lasting, "api");
  readonly edge = new ImageEdge((path, body, fate) => this.#ofAgent(path, body, fate));
  #api = new ImageGround(this.#lasting, "api");
  #worker = new ImageGround(this.#lasting, "worker");
  #agentToken = "";
  project!: Project;

  async begin(): Promise<void> {
    const { accounts } = this.#observer.ground;
    this.#agentToken = (await accounts.addEdge(EDGE)).token;
    this.project = projectOf(await accounts.addUser(USER, "long enough"), EDGE);
  }

  put(version: number): Promise<unknown> {
    const name = { owner: this.project.uid, ...OBJECT };
    const bytes = VERSIONS[version];
    const { objects } = this.#observer.parts;
    return bytes ? objects.put(name, bytes, { maxBytes: 1e9 }) : objects.remove(name);
  }

  /** @returns its status; undefined when the ground failed or died over it: then it may have been done or not */
  async ask(method: string, path: string, body?: object): Promise<number | undefined> {
    const api = this.#living();
    const account = await this.#observer.core.users.stored(USER);
    const { token } = await this.#observer.core.users.accessToken(account!);
    const answer = await api.ground.app.request(
      `/v1/${this.project.id}/cloudservers/fpga_image${path}`,
      { method, headers: { "x-auth-token": token }, ...(body && { body: JSON.stringify(body) }) },
      {},
    );
    return api.isDead || answer.status >= 500 ? undefined : answer.status;
  }

  register(): Promise<number | undefined> {
    const fields = { location: `${OBJECT.bucket}:${OBJECT.key}`, name: "n", metadata: {} };
    return this.ask("POST", "", { fpga_image: fields });
  }

  associate(method: "POST" | "DELETE", image: string, container: string): Promise<number | undefined> {
    return this.ask(method, `/${image}/association`, { image: { id: this.idOf(container) } });
  }

  /** What a run of a container image on an FPGA node is given: an image, nothing, or the code of why it is refused. */
  async run(container: string): Promise<string | undefined> {
    try {
      const run = { kind: "FPGA", image: container } as never;
      const completed = await completeRun(this.#observer.core, { user: USER, edge: EDGE, run });
      return completed.fpga?.image;
    } catch (error) {
      if (error instanceof PerigeeError) return error.code;
      throw error;
    }
  }

  /** A round of the worker's, who may die in it. */
  async work(): Promise<void> {
    this.#living();
    await this.#worker.parts.work.round();
  }

  /** Something happens to a process at one of its next transactions. */
  fail(which: "api" | "worker", how: Failure, transactions: number): void {
    this.#living();
    const { store } = which === "api" ? this.#api : this.#worker;
    if (how === "answer lost") store.loseAnswer(transactions);
    else store.killAtTransaction(transactions, how === "dies after");
  }

  idOf(container: string): string {
    return containerImageId(this.project.id, USER, container);
  }

  images(): Promise<ImageRecord[]> {
    return this.#observer.parts.images.all(this.project.id);
  }

  /** Counts and lists by container image say what the images themselves say. */
  async expectAgreement(images: readonly ImageRecord[]): Promise<void> {
    const { records } = this.#observer.core;
    const count = await records.get<CountRecord>(keys.count(this.project.id));
    const deleting = images.filter(({ status }) => status === "deleting").length;
    expect(count?.data ?? { rows: 0, deleting: 0 }).toEqual({ rows: images.length, deleting });
    for (const name of CONTAINERS) {
      const container = this.idOf(name);
      const pairs = await this.#observer.parts.images.pairs(this.project.id, { container });
      const own = images.filter(({ containers }) => containers.includes(container)).map(({ id }) => id);
      expect(pairs.map(({ image }) => image.id).toSorted()).toEqual(own.toSorted());
    }
  }

  /** With contact, and nobody dying any more, until nothing is under way. @returns what is staged then */
  async settle(): Promise<string[]> {
    this.#api = new ImageGround(this.#lasting, "api");
    this.#worker = new ImageGround(this.#lasting, "worker");
    // where a file's reader died, and where a pin was left
    this.#lasting.now += 2 * 60 * LEASE_MS;
    for (let round = 0; round < 50; round++) {
      await this.work();
      await this.edge.start();
      await this.edge.claim("ok");
      for (let n = 0; n < 2; n++) {
        this.edge.carryOut(false);
        await this.edge.report("ok");
      }
      const isBusy = (await this.images()).some(({ status }) => status === "saving" || status === "deleting");
      if (!isBusy && round > 2) break;
    }
    await this.work();
    await fpga.janitor!(this.#worker.core);
    return [...this.#lasting.staged.keys()];
  }

  /** What has died is there again, some time later. */
  #living(): ImageGround {
    if (this.#api.isDead || this.#worker.isDead) this.#lasting.now += LEASE_MS;
    if (this.#api.isDead) this.#api = new ImageGround(this.#lasting, "api");
    if (this.#worker.isDead) this.#worker = new ImageGround(this.#lasting, "worker");
    return this.#api;
  }

  async #ofAgent(path: string, body: object, fate: Fate): Promise<unknown> {
    if (fate === "lost") return undefined;
    const api = this.#living();
    const answer = await api.ground.app.request(`/agent/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${this.#agentToken}`, "content-type": "application/json" },
    });
    if (api.isDead || answer.status >= 500 || fate === "answer lost") return undefined;
    const text = await answer.text();
    if (answer.status >= 400) throw new Error(`${path}: ${answer.status} ${text}`);
    return text === "" ? {} : JSON.parse(text);
  }
}

/** An image that nobody has. */
export const UNKNOWN = randomUUID().replaceAll("-", "");
