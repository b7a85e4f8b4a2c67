import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationName, StagedFile } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Answer, Idempotency, Wait } from "../dispatch/dispatch.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { PLAN, uplinkPrefix } from "../dispatch/staging-keys.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
import type { Allowances } from "../quotas/allowances.ts";
import { PartFiles, partsOf, type SignedPartOf } from "./part-files.ts";
import { type PlannedFile, type PlannedPart, type UploadPlan, uploadPlan } from "./upload-plan.ts";

type Parts = {
  ledger: Ledger;
  staging: Staging;
  dispatch: Pick<Dispatcher, "queueStaged" | "answerQueued">;
  allowances: Allowances;
};

/** Missing parts that a refusal names. */
const NAMED = 100;
const PLAN_BYTES = 2 * LIMITS.uplinkPlanBytes;
/** Most bytes of an upload's id in a plan. */
const UPLOAD_BYTES = 1100;

/** An upload in parts. */
export type Upload = {
  command: Command;
  /** absent when it takes no parts any more: complete, cancelled, expired */
  plan?: UploadPlan;
  /** it was opened just now: nothing can have arrived */
  fresh?: boolean;
};

/** A part that is still to come, and how to send it. */
export type SignedPart = SignedPartOf<PlannedFile>;

/**
 * Uploads in parts: an uplink whose files come straight to staging, each part by a signed URL of its own, over
 * hours if need be. Until it is completed it is a command in `staging`; then the very same as any uplink.
 */
export class Uploads {
  readonly #parts: Parts;
  readonly #files: PartFiles;
  /** those that are being begun by this process, by command */
  readonly #beginning = new Map<string, Promise<UploadPlan>>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#files = new PartFiles(parts.staging);
  }

  /**
   * Opens an upload, of an uplink unless another operation that comes with files is named. A replayed
   * Idempotency-Key finds the earlier one.
   * @throws QUEUE_FULL, QUOTA_EXCEEDED, STORAGE_FULL, IDEMPOTENCY_KEY_REUSED, BODY_TOO_LARGE when the plan cannot be kept
   */
  async open(request: {
    user: string;
    edge: string;
    plan: UploadPlan;
    /** default the EM's */
    lane?: string;
    /** default volume.uplink */
    operation?: OperationName;
    /** what it takes beside its files (default: an uplink's) */
    input?: Record<string, unknown>;
    /** if no agent has claimed it by then (ms since 1970), it expires; never while its files are coming in */
    expiresAt?: number;
    /** default: the usual one */
    priority?: number;
    idempotency?: Idempotency;
  }): Promise<Upload> {
    const { ledger, staging, allowances } = this.#parts;
    const { user, edge, plan, idempotency, operation = "volume.uplink", expiresAt, priority } = request;
    requireKeepable(plan);
    const bytes = plan.files.reduce((sum, file) => sum + file.size, 0);
    const input = request.input ?? { volume: plan.volume, count: plan.files.length, bytes };
    const left = await allowances.left(user, edge);
    const { command, replayed } = await ledger.reserveParts(
      {
        user,
        edge,
        ...(request.lane && { lane: request.lane }),
        operation,
        input,
        ...(priority !== undefined && { priority }),
        ...(expiresAt !== undefined && { expiresAt }),
        ...(idempotency && { idempotency }),
      },
      (of) => uplinkPrefix(of, plan.volume),
      (reserved) => {
        if (left(reserved) < bytes) throw byteQuotaExceeded();
        return bytes;
      },
    );
    killPoint("uploads.reserved");
    if (replayed && command.state !== "staging") return { command };
    // Joined also by those that only look for the plan: who looked while another wrote it would begin a second one.
    const joined = this.#beginning.get(command.id);
    const beginning = joined ?? this.#findOrBegin(command, plan, replayed);
    try {
      return { command, plan: await beginning, fresh: !replayed && !joined };
    } catch (error) {
      // Refused, so the key is free: as nothing was told, nothing is kept. But what another call has, stays.
      if (!replayed && !(await this.#readPlan(command))) {
        await ledger.endUnclaimed(command, "expired", failureOf(error));
        await staging.deletePrefix(prefixOf(command));
      }
      throw error;
    }
  }

  /** @throws UPLINK_NOT_FOUND also for another user's */
  async find(user: string, id: string): Promise<Upload> {
    const command = await this.#parts.ledger.command(user, id).catch((error) => {
      throw error instanceof PerigeeError && error.code === "COMMAND_NOT_FOUND" ? notFound(id) : error;
    });
    if (command.until === undefined) throw notFound(id);
    if (command.state !== "staging") return { command };
    const plan = await this.#readPlan(command);
    if (!plan) throw notFound(id);
    return { command, plan };
  }

  /** The parts of these files (default: all) that have not arrived, in order. */
  async missing(
    { command, plan, fresh }: Upload,
    files: PlannedFile[] = plan?.files ?? [],
  ): Promise<PlannedPart[]> {
    if (!plan) return [];
    if (fresh) return files.flatMap((file) => partsOf(plan, file));
    return this.#files.missing(prefixOf(command), plan, files);
  }

  /** URLs for parts, good for an hour. Who asks goes on: the upload is kept longer. */
  async sign(command: Command, parts: PlannedPart[]): Promise<{ command: Command; parts: SignedPart[] }> {
    const { ledger } = this.#parts;
    const signed = await this.#files.sign(prefixOf(command), parts, LIMITS.partUrlMs / 1000);
    return { command: await ledger.extend(command), parts: signed };
  }

  /**
   * Makes the command of it, once however often it is asked, and waits as asked.
   * @throws UPLINK_INCOMPLETE (it goes on), CANCELLED, EXPIRED
   */
  async complete<O extends OperationName = "volume.uplink">(upload: Upload, wait: Wait): Promise<Answer<O>> {
    const { dispatch } = this.#parts;
    const { command, plan } = upload;
    if (!plan) return dispatch.answerQueued(command, wait);
    const missing = await this.#files.assemble(prefixOf(command), plan);
    if (missing.length > 0) {
      // What another call has completed may be with the edge by now, and gone from here.
      const now = await this.#parts.ledger.command(command.user, command.id);
      if (now.state !== "staging") return dispatch.answerQueued(now, wait);
      throw incomplete(missing);
    }
    killPoint("uploads.assembled");
    const files = plan.files.map(({ n, path, size, xxh64 }): StagedFile => ({ n, path, size, xxh64 }));
    return dispatch.queueStaged(command, wait, {
      volume: plan.volume,
      prefix: prefixOf(command),
      files,
      input: command.input,
    });
  }

  /** The plan of a command that another call has begun, or is beginning in this process; else its beginning. */
  #findOrBegin(command: Command, plan: UploadPlan, replayed: boolean): Promise<UploadPlan> {
    const find = async () =>
      (replayed ? await this.#readPlan(command) : undefined) ?? (await this.#begin(command, plan));
    const beginning = find().finally(() => this.#beginning.delete(command.id));
    this.#beginning.set(command.id, beginning);
    return beginning;
  }

  /** Begins what needs an upload of its own in staging, and writes the plan down: from then on it can be found. */
  async #begin(command: Command, plan: UploadPlan): Promise<UploadPlan> {
    const { staging } = this.#parts;
    const files = await this.#files.begin(prefixOf(command), plan);
    killPoint("uploads.begun");
    // Another process may have answered the same key: what it told stands, and for ours nobody gets URLs.
    const told = await this.#readPlan(command);
    if (told) return told;
    const begun = { ...plan, files };
    const text = Buffer.from(JSON.stringify(begun));
    await staging.put(`${prefixOf(command)}${PLAN}`, text, { maxBytes: text.length });
    return begun;
  }

  async #readPlan(command: Command): Promise<UploadPlan | undefined> {
    const { staging } = this.#parts;
    try {
      const { body, size } = await staging.get(`${prefixOf(command)}${PLAN}`);
      if (size > PLAN_BYTES) throw new Error("the plan of an upload is too long");
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk as Buffer);
      return uploadPlan.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
    } catch (error) {
      if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
      throw error;
    }
  }
}

/** Long paths under a long `dest_path` make more of a plan than the request was. @throws BODY_TOO_LARGE */
function requireKeepable(plan: UploadPlan): void {
  const inParts = plan.files.filter((file) => file.crc32.length > 1).length;
  if (Buffer.byteLength(JSON.stringify(plan)) + inParts * UPLOAD_BYTES <= PLAN_BYTES) return;
  throw new PerigeeError(
    "BODY_TOO_LARGE",
    "files: their paths, each with dest_path before it, are too long together: send fewer files at once",
  );
}

function incomplete(missing: PlannedPart[]): PerigeeError {
  const named = missing.slice(0, NAMED).map(({ file, number }) => ({ file: file.n, part: number }));
  const message = `${missing.length} parts of the upload have not arrived`;
  return new PerigeeError("UPLINK_INCOMPLETE", message, { data: { missing: named, count: missing.length } });
}

function prefixOf(command: Command): string {
  if (command.staged === undefined) throw new Error(`command ${command.id} is no upload in parts`);
  return command.staged;
}

function notFound(id: string): PerigeeError {
  return new PerigeeError("UPLINK_NOT_FOUND", `There is no upload ${id}`);
}
