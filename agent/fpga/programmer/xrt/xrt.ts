import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DeviceFiles, deviceFiles } from "../device-files.ts";
import {
  assertDigest,
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
  type LoadOptions,
} from "../fpga-programmer.ts";
import { runTool, type ToolEnd, toldBy } from "../run-tool.ts";
import { devicesIn, uuidsIn } from "./xrt-report.ts";

export type XrtOptions = {
  /** address of the card (default: the first that the tool names) */
  bdf?: string;
  /** default: the file system's own */
  files?: DeviceFiles;
};

/** The tool by its newer and its older name. */
const TOOLS = ["xrt-smi", "xbutil"] as const;
const PROBE_MS = 10_000;
const BDF = /^[0-9a-fA-F:.]{7,16}$/;
/** Where an xclbin has its own uuid. */
const UUID_AT = 416;
const UUID_BYTES = 16;

/** A card that the vendor's runtime programs. A load has succeeded when the card's own report has the file's uuid. */
export class Xrt implements FpgaProgrammer {
  readonly #bdf: string | undefined;
  readonly #files: DeviceFiles;

  /** @throws Error for what is no address */
  constructor({ bdf, files = deviceFiles }: XrtOptions = {}) {
    if (bdf !== undefined && !BDF.test(bdf))
      throw new Error(`${JSON.stringify(bdf)} is no address of a card`);
    this.#bdf = bdf;
    this.#files = files;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const card = await this.#card(PROBE_MS);
    return card && { adapter: "xrt", driver: card.tool, formats: ["xclbin"] };
  }

  async load(file: LoadFile, { signal }: LoadOptions): Promise<DeviceState> {
    assertDigest(file);
    signal.throwIfAborted();
    const card = await this.#found();
    return inScratch(async (directory) => {
      const copy = path.join(directory, `${file.sha256}.xclbin`);
      const part = { start: file.payloadAt, bytes: file.payloadBytes };
      await this.#files.copy(file.path, copy, part).catch((cause: Error) => {
        throw new LoadError("LOAD_FAILED", `copying the file failed with ${cause.message}`, { cause });
      });
      const wanted = await uuidOf(copy);
      signal.throwIfAborted();
      const end = await runTool(card.tool, ["program", "--device", card.bdf, "--user", copy], { signal });
      signal.throwIfAborted();
      if (end.code !== 0)
        throw new LoadError("LOAD_FAILED", `${card.tool} program ended with ${toldBy(end)}`);
      const loaded = uuidsIn(await this.#report(card, directory, { signal }));
      signal.throwIfAborted();
      if (loaded.includes(wanted)) return { state: "operating", status: wanted };
      throw new LoadError(
        "LOAD_FAILED",
        `the device reports ${loaded.join(", ") || "no design"}, not ${wanted}`,
      );
    });
  }

  async current(): Promise<DeviceState> {
    const card = await this.#found();
    return inScratch(async (directory) => {
      const [uuid] = uuidsIn(await this.#report(card, directory, {}));
      return uuid === undefined ? { state: "unknown" } : { state: "operating", status: uuid };
    });
  }

  /** @throws LoadError NO_DEVICE */
  async #found(): Promise<{ tool: string; bdf: string }> {
    const card = await this.#card();
    if (!card) throw new LoadError("NO_DEVICE", "neither xrt-smi nor xbutil names a card");
    return card;
  }

  /** The tool and the card's address; undefined when there is no tool, or it names no card. */
  async #card(timeoutMs?: number): Promise<{ tool: string; bdf: string } | undefined> {
    return inScratch(async (directory) => {
      for (const tool of TOOLS) {
        const report = path.join(directory, `${tool}.json`);
        const args = ["examine", "--format", "JSON", "--output", report];
        const end = await runTool(tool, args, timeoutMs === undefined ? {} : { timeoutMs });
        if (end.code === "ENOENT") continue;
        const known = devicesIn(await readReport(report, end));
        const bdf = this.#bdf === undefined ? known[0] : known.find((one) => one.endsWith(this.#bdf ?? ""));
        return bdf === undefined ? undefined : { tool, bdf };
      }
      return undefined;
    });
  }

  async #report(
    { tool, bdf }: { tool: string; bdf: string },
    directory: string,
    options: { signal?: AbortSignal },
  ): Promise<unknown> {
    const report = path.join(directory, "report.json");
    const args = ["examine", "--device", bdf, "--report", "dynamic-regions"];
    const end = await runTool(tool, [...args, "--format", "JSON", "--output", report], options);
    return readReport(report, end);
  }
}

/** Gives `work` a directory of its own, which is removed after it. */
async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await fs.mkdtemp(path.join(tmpdir(), "perigee-xrt-"));
  try {
    return await work(directory);
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
}

/** What a tool has written; undefined when that is no JSON, or it failed. */
async function readReport(file: string, { code }: ToolEnd): Promise<unknown> {
  if (code !== 0) return undefined;
  try {
    return JSON.parse(await fs.readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** @throws LoadError LOAD_FAILED for a file that is too short to have one */
async function uuidOf(file: string): Promise<string> {
  const opened = await fs.open(file, "r");
  try {
    const { bytesRead, buffer } = await opened.read(Buffer.alloc(UUID_BYTES), 0, UUID_BYTES, UUID_AT);
    if (bytesRead < UUID_BYTES) throw new LoadError("LOAD_FAILED", "the file has no uuid to be known by");
    return buffer.toString("hex");
  } finally {
    await opened.close();
  }
}
