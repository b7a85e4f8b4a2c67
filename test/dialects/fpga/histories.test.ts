import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { replayed, share } from "#test/support/long-run.ts";
import { type FpgaGround, type PlayedAgent, startFpgaGround } from "./support/fpga-ground.ts";

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const VERSIONS = [4096, 5000, 6004].map((size) => buildRawStream({ size }));
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
/** In the order in which an image may go on. */
const ORDER = ["saving", "active", "error", "deleting", undefined];

const ACTS = [
  "put",
  "take away",
  "register",
  "register",
  "delete",
  "associate",
  "end association",
  "check",
  "check that dies",
  "work",
  "work",
  "claim that is lost",
  "report that is lost",
  "agent dies",
  "report that is late",
] as const;
type Act = (typeof ACTS)[number];
/** `sha256` of what lay in the bucket at the registration */
type Known = { id: string; sha256: string | undefined; status: string | undefined; isGone: boolean };

/** One history: a ground, the edge's files as its agent keeps them, and what must be true of each image. */
class History {
  readonly #ground: FpgaGround;
  #agent: PlayedAgent;
  readonly #files = new Map<string, string>();
  readonly #images: Known[] = [];
  /** what is in the bucket */
  #stored: string | undefined;
  /** what an agent that died had done */
  readonly #late: { agent: PlayedAgent; command: ClaimedCommand }[] = [];

  constructor(ground: FpgaGround, agent: PlayedAgent) {
    this.#ground = ground;
    this.#agent = agent;
  }

  async play(act: Act, n: number): Promise<void> {
    await this.#do(act, n);
    await this.#look();
  }

  /** With contact, and nobody who dies, all of it ends as it was asked for. */
  async end(): Promise<void> {
    // whoever died while reading a file held it for half a minute
    this.#ground.setClock(Date.now() + 120_000);
    this.#agent = await this.#ground.startAgent();
    do await this.#ground.checked();
    while ((await this.#work()) > 0);
    await this.#look();
    for (const { id, sha256, status, isGone } of this.#images) {
      const shown = await this.#ground.detail(id);
      if (isGone) expect(shown).toBeUndefined();
      else if (sha256 === undefined) {
        expect(shown).toMatchObject({ status: "error", message: expect.stringMatching(/^OBJECT_MISSING: /) });
      } else expect([status, shown?.sha256, this.#files.get(id)]).toEqual(["active", sha256, sha256]);
    }
    const active = this.#images.filter(({ status }) => status === "active").map(({ id }) => id);
    expect([...this.#files.keys()].toSorted()).toEqual(active.toSorted());
    await this.#ground.checked();
    expect(await this.#ground.ground.staging.list("fpga/")).toEqual([]);
  }

  async #do(act: Act, n: number): Promise<void> {
    const ground = this.#ground;
    const image = this.#images[n % Math.max(this.#images.length, 1)];
    if (act === "put") {
      const content = VERSIONS[n % VERSIONS.length]!;
      await ground.put("obs-fpga", "fpga.bin", content);
      this.#stored = digest(content);
    } else if (act === "take away") {
      await ground.parts.objects.removeAll(ground.project().uid);
      this.#stored = undefined;
    } else if (act === "register") {
      const sha256 = this.#stored;
      this.#images.push({ id: await ground.register(), sha256, status: "saving", isGone: false });
    } else if (act === "delete" && image) {
      const { status } = await ground.ada("DELETE", `${ground.base()}/${image.id}`);
      const expected = image.status === undefined ? 404 : (await this.#isProtected(image)) ? 400 : 204;
      expect(status).toBe(expected);
      if (status === 204) image.isGone = true;
    } else if ((act === "associate" || act === "end association") && image) {
      const method = act === "associate" ? "POST" : "DELETE";
      const body = JSON.stringify({ image: { id: UUID } });
      await ground.ada(method, `${ground.base()}/${image.id}/association`, { body });
    } else if (act === "check") await ground.checked();
    else if (act === "check that dies") await this.#checkThatDies(n);
    else if (act === "work") await this.#work();
    else if (act === "claim that is lost") await this.#agent.claim();
    else if (act === "report that is lost") await this.#work("lost");
    else if (act === "agent dies") {
      await this.#work("lost");
      this.#agent = await ground.startAgent();
    } else if (act === "report that is late") {
      const late = this.#late.shift();
      if (late) await late.agent.report(late.command, this.#done(late.command));
    }
  }

  /** The agent does what it is given. @returns how much that was */
  async #work(reports: "told" | "lost" = "told"): Promise<number> {
    const commands = await this.#agent.claimAgain();
    for (const command of commands) {
      const { image, sha256 } = command.input as { image: string; sha256: string };
      if (command.operation === "fpga.store") this.#files.set(image, sha256);
      else this.#files.delete(image);
      if (reports === "told") await this.#agent.report(command, this.#done(command));
      else this.#late.push({ agent: this.#agent, command });
    }
    return commands.length;
  }

  #done({ operation, input }: ClaimedCommand) {
    const { sha256, bytes } = input as { sha256: string; bytes: number };
    return { state: "succeeded", result: operation === "fpga.store" ? { sha256, bytes } : {} } as const;
  }

  /** The process that checks ends at its n-th write. */
  async #checkThatDies(n: number): Promise<void> {
    const { records } = this.#ground.core;
    const transact = records.transact.bind(records);
    let writes = 0;
    const cut = vi.spyOn(records, "transact").mockImplementation((...of) => {
      return writes++ < n ? transact(...of) : Promise.reject(new Error("the process is gone"));
    });
    await this.#ground.checked();
    cut.mockRestore();
  }

  async #isProtected({ id }: Known): Promise<boolean> {
    return (await this.#ground.detail(id))?.protected === true;
  }

  /** No image goes back, and none goes that nobody deleted. */
  async #look(): Promise<void> {
    for (const image of this.#images) {
      const status = (await this.#ground.detail(image.id))?.status as string | undefined;
      expect(ORDER.indexOf(status)).toBeGreaterThanOrEqual(ORDER.indexOf(image.status));
      if (!image.isGone) expect(["saving", "active", "error"]).toContain(status);
      if (status === "active") expect(this.#files.get(image.id)).toBe(image.sha256);
      image.status = status;
    }
  }
}

it("whatever dies, an image is what was registered, or gone as it was asked for", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...ACTS), fc.nat(5)), { minLength: 10, maxLength: 40 }),
      async (acts) => {
        const ground = await startFpgaGround();
        try {
          const history = new History(ground, await ground.startAgent());
          for (const [act, n] of acts) await history.play(act, n);
          await history.end();
        } finally {
          await ground.stop();
        }
      },
    ),
    { numRuns: share(100, 6), ...replayed() },
  );
});
