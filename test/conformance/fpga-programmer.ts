import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FpgaProgrammer, LoadFile } from "#agent/fpga/programmer/fpga-programmer.ts";

/** A programmer of a simulated device. */
export type ProgrammerUnderTest = {
  programmer: FpgaProgrammer;
  /** contents that the device was programmed with, in order */
  loads(): Buffer[];
  /** The driver's next answers: an error in the middle, or success with a device that does not work. */
  failNext(how: "error" | "silent"): void;
  /** The device is about to be asked although nothing is loaded, where somebody has to answer for it. */
  aboutToAsk?(): void;
  /** What stays in directories that are not the adapter's own: nothing may. */
  leftovers(): string[];
  close(): void;
};

/** What every adapter that can load must do. */
export function fpgaProgrammerConformance(name: string, make: () => Promise<ProgrammerUnderTest>): void {
  describe(`programmer: ${name}`, () => {
    let made: ProgrammerUnderTest;
    let directory: string;
    beforeEach(async () => {
      made = await make();
      directory = fs.mkdtempSync(path.join(tmpdir(), "bitstreams-"));
    });
    afterEach(() => {
      expect(made.leftovers()).toEqual([]);
      made.close();
      fs.rmSync(directory, { recursive: true, force: true });
    });

    const file = (content = randomBytes(70_000), payloadAt = 0, payloadBytes = content.length): LoadFile => {
      const sha256 = createHash("sha256").update(content).digest("hex");
      const at = path.join(directory, sha256);
      fs.writeFileSync(at, content);
      return { path: at, sha256, payloadAt, payloadBytes };
    };
    const load = (of: LoadFile, signal = new AbortController().signal) =>
      made.programmer.load(of, { partial: false, signal });

    it("is found, and takes something", async () => {
      const probe = await made.programmer.probe();
      expect(probe?.adapter).toBe(name);
      expect(probe?.formats.length).toBeGreaterThan(0);
    });

    it("gives the device the whole file, or the payload in it", async () => {
      const content = randomBytes(70_000);
      await load(file(content));
      await load(file(content, 80, 60_000));
      expect(made.loads().map((one) => one.length)).toEqual([70_000, 60_000]);
      expect(made.loads()[0]?.equals(content)).toBe(true);
      expect(made.loads()[1]?.equals(content.subarray(80, 60_080))).toBe(true);
    });

    it("programs anew, also with the file that is loaded", async () => {
      const same = file();
      await load(same);
      await load(same);
      expect(made.loads()).toHaveLength(2);
    });

    it.each(["error", "silent"] as const)("believes in no earlier load when one fails (%s)", async (how) => {
      await load(file());
      made.failNext(how);
      await expect(load(file())).rejects.toMatchObject({ name: "LoadError", code: "LOAD_FAILED" });
      expect(made.loads()).toHaveLength(1);
    });

    it("programs nothing of a file that ends before its payload, or is gone", async () => {
      made.aboutToAsk?.();
      await expect(load(file(Buffer.alloc(100, 1), 50, 51))).rejects.toMatchObject({ code: "LOAD_FAILED" });
      const gone = file();
      fs.rmSync(gone.path);
      made.aboutToAsk?.();
      await expect(load(gone)).rejects.toMatchObject({ code: "LOAD_FAILED" });
      expect(made.loads()).toEqual([]);
    });

    it("programs nothing once it was stopped", async () => {
      const reason = new Error("stopped");
      await expect(load(file(), AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(made.loads()).toEqual([]);
    });
  });
}
