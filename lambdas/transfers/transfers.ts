import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { StagedContent } from "#protocol/operations.ts";
import { downlinkKey } from "../dispatch/staging-keys.ts";
import type { Command } from "../ledger/command.ts";
import { MOST_PARTS, type Part, partBytes, type ResumedUpload } from "../ports/part-uploads.ts";
import type { Staging } from "../ports/staging.ts";
import type { Transfer, TransferBudget, TransfersSeen } from "../quotas/transfer-budget.ts";
import { chunkKey, chunksOf } from "./chunk-objects.ts";
import { crc32OfParts } from "./combine-crc32.ts";
import { contentKey } from "./sent-object.ts";

export type TransfersDeps = { staging: Staging; budget: TransferBudget };

export type TransfersOptions = {
  /**
   * bytes of the parts that the agent sends (default LIMITS.partBytes); more for objects that would have too many.
   * Under LIMITS.partBytesLeast each part is an object of its own.
   */
  partBytes?: number;
};

/** Where the agent PUTs a part; `zstd`: it may be compressed. */
type AgentUpload = ResumedUpload & { zstd?: boolean };

/** Missing parts that an answer names. */
const NAMED = 500;

/**
 * Objects that the agent sends in parts. What has arrived is in staging alone, so that any ground goes on with it;
 * the agent's name for a transfer stands for certain bytes, so that any epoch does.
 */
export class Transfers {
  readonly #staging: Staging;
  readonly #budget: TransferBudget;
  readonly #partBytes: number;

  constructor({ staging, budget }: TransfersDeps, options: TransfersOptions = {}) {
    this.#staging = staging;
    this.#budget = budget;
    this.#partBytes = options.partBytes ?? LIMITS.partBytes;
  }

  /** To be read with the command, in one request: what {@link begin} goes by. */
  look(user: string): Promise<TransfersSeen> {
    return this.#budget.look(user);
  }

  /**
   * Begins to take an object, or finds it again.
   * @param seen of the command's user, from a moment ago (default: it is read)
   * @returns where to PUT it when it is one part, or the bytes of its parts
   * @throws QUOTA_EXCEEDED, STORAGE_FULL
   */
  async begin(
    command: Command,
    of: {
      n: number;
      transfer: string;
      size: number;
      crc32?: string | undefined;
      named?: boolean | undefined;
      /** parts are to be no larger, where that is possible */
      partBytes?: number | undefined;
    },
    seen?: { item: TransfersSeen },
  ): Promise<{ whole: AgentUpload; content?: StagedContent } | { partBytes: number }> {
    const { n, transfer, size, crc32, named } = of;
    const partBytes = partBytesOf(size, Math.min(this.#partBytes, of.partBytes ?? this.#partBytes));
    if (crc32 !== undefined && size <= partBytes) {
      await this.#reserve(command, { n, size }, seen, async () => (named ? { whole: transfer } : {}));
      const content = named ? { n, size, transfer } : undefined;
      const key = content ? contentKey(command, content) : downlinkKey(command, n);
      const whole = await this.#signWhole(key, { size, crc32 });
      return { whole: this.#announced(whole), ...(content && { content }) };
    }
    const kept = await this.#reserve(command, { n, size, transfer }, seen, async () => {
      if (partBytes < LIMITS.partBytesLeast) return { transfer, partBytes };
      const key = contentKey(command, { n, transfer });
      return {
        transfer,
        partBytes,
        upload: await this.#staging.parts.begin(key, { size, partSize: partBytes }),
      };
    });
    return { partBytes: kept.partBytes! };
  }

  /** Is `content` an object of a size that nothing else can have, because its URL was signed for that? */
  isSigned(seen: TransfersSeen, { id }: Command, { n, size, transfer }: StagedContent): boolean {
    const sent = seen?.data.transfers.find((one) => one.command === id && one.n === n);
    return sent?.whole !== undefined && sent.whole === transfer && sent.size === size;
  }

  /**
   * Where parts go; null for one that has arrived.
   * @throws UPLINK_NOT_FOUND when nothing is known of the transfer, INVALID_PARAMETERS
   */
  async sign(
    command: Command,
    of: { n: number; transfer: string; parts: { number: number; crc32: string }[] },
  ): Promise<(AgentUpload | null)[]> {
    const known = await this.#find(command, of);
    const count = countOf(known);
    const numbers = of.parts.map(({ number }) => number);
    if (Math.max(...numbers) > count) {
      throw new PerigeeError("INVALID_PARAMETERS", `parts: the object has ${count} parts`);
    }
    const key = contentKey(command, of);
    const there = new Set(
      (await this.#arrived(command, known, Math.min(...numbers), Math.max(...numbers))).map(nameOf),
    );
    const isObject = there.size === 0 && (await this.#isObject(command, known));
    return Promise.all(
      of.parts.map(async ({ number, crc32 }) => {
        const part = { number, crc32, size: sizeOf(known, number) };
        if (isObject || there.has(nameOf(part))) return null;
        const signed: ResumedUpload = await (known.upload === undefined
          ? this.#signWhole(chunkKey(key, part), part)
          : this.#staging.parts.signPart(key, known.upload, part, seconds()));
        return signed.from === part.size ? null : this.#announced(signed);
      }),
    );
  }

  /**
   * Makes content of the parts, however often it is asked.
   * @returns the content, or the numbers of parts that are missing
   * @throws CHECKSUM_MISMATCH when they are not what `crc32` says, UPLINK_NOT_FOUND
   */
  async complete(
    command: Command,
    of: { n: number; transfer: string; crc32: string },
  ): Promise<{ content: StagedContent } | { missing: number[] }> {
    const known = await this.#find(command, of);
    const { n, transfer } = of;
    const content = { n, size: known.size, transfer };
    const parts = await this.#arrived(command, known);
    if (parts.length === 0 && (await this.#isObject(command, known))) return { content };
    const byNumber = new Map(parts.map((part) => [part.number, part]));
    const missing = Array.from({ length: countOf(known) }, (_, i) => i + 1).filter(
      (number) => byNumber.get(number)?.size !== sizeOf(known, number),
    );
    if (missing.length > 0) return { missing: missing.slice(0, NAMED) };
    // Of one number two are there when the bytes behind the agent's name have changed: it begins anew.
    if (parts.length !== byNumber.size || crc32OfParts(parts) !== of.crc32) {
      throw new PerigeeError("CHECKSUM_MISMATCH", "The parts are not what was to be sent");
    }
    if (known.upload === undefined) return { content: { ...content, chunkBytes: known.partBytes! } };
    const left = await this.#staging.parts.complete(contentKey(command, of), known.upload, parts);
    return left.length > 0 ? { missing: left.slice(0, NAMED) } : { content };
  }

  #signWhole(key: string, content: { size: number; crc32: string }): Promise<ResumedUpload> {
    const { parts } = this.#staging;
    return parts.signResumed?.(key, content, seconds()) ?? parts.signWhole(key, content, seconds());
  }

  /** Says so where it may be compressed. */
  #announced(signed: ResumedUpload): AgentUpload {
    return this.#staging.parts.zstd ? { ...signed, zstd: true } : signed;
  }

  async #reserve(...of: Parameters<TransferBudget["reserve"]>): Promise<Transfer> {
    const { kept, abandoned } = await this.#budget.reserve(...of);
    for (const { command: id, n, transfer } of abandoned) {
      if (transfer === undefined) continue;
      await this.#staging.deletePrefix(contentKey({ user: of[0].user, id }, { n, transfer }));
    }
    return kept;
  }

  async #find(command: Command, { n, transfer }: { n: number; transfer: string }): Promise<Transfer> {
    const known = await this.#budget.find(command, n, transfer);
    if (known) return known;
    throw new PerigeeError("UPLINK_NOT_FOUND", `Nothing is known of the transfer ${transfer}`);
  }

  async #arrived(command: Command, known: Transfer, first?: number, last?: number): Promise<Part[]> {
    const key = contentKey(command, known);
    if (known.upload !== undefined) return this.#staging.parts.arrived(key, known.upload);
    const parts: Part[] = [];
    for await (const { number, size, crc32 } of chunksOf(this.#staging, key, first, last)) {
      parts.push({ number, size, crc32 });
    }
    return parts;
  }

  /** Was it completed, and only the answer lost? */
  async #isObject(command: Command, known: Transfer): Promise<boolean> {
    if (known.upload === undefined) return false;
    return (await this.#staging.head(contentKey(command, known)))?.size === known.size;
  }
}

/** Bytes of the parts of an object of `size` bytes, when `wanted` are to be had. */
export function partBytesOf(size: number, wanted: number): number {
  const most = wanted < LIMITS.partBytesLeast ? LIMITS.transferChunks : MOST_PARTS;
  const least = Math.ceil(size / most);
  if (wanted >= least) return wanted;
  const larger = Math.ceil(least / MiB) * MiB;
  return wanted < LIMITS.partBytesLeast && larger >= LIMITS.partBytesLeast
    ? partBytesOf(size, LIMITS.partBytesLeast)
    : larger;
}

function countOf({ size, partBytes }: Transfer): number {
  return Math.max(1, Math.ceil(size / partBytes!));
}

function sizeOf({ size, partBytes: partSize }: Transfer, number: number): number {
  return partBytes({ size, partSize: partSize! }, number);
}

function nameOf({ number, size, crc32 }: Part): string {
  return `${number} ${size} ${crc32}`;
}

function seconds(): number {
  return LIMITS.partUrlMs / 1000;
}
