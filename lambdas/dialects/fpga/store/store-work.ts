import { PerigeeError } from "#protocol/errors.ts";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { isTerminal } from "#protocol/state.ts";
import { mapWithLimit } from "../../../dispatch/map-with-limit.ts";
import { commandOf } from "../../../fields/fpga-image-id.ts";
import type { Command } from "../../../ledger/command.ts";
import { ConditionFailed, type Item } from "../../../ports/ledger-store.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import { pagesOf } from "../../../ports/pages-of.ts";
import { hasEnded, processMark } from "../../../ports/process-mark.ts";
import type { DialectCore } from "../../core.ts";
import { CHECK_BOUNDS } from "../checks/bounds.ts";
import { type CheckedFile, checkFile } from "../checks/check-file.ts";
import { onEnd } from "../ends.ts";
import { findCommand } from "../find-command.ts";
import { fpgaNodes } from "../fpga-nodes.ts";
import type { ImageRecord } from "../images/image-record.ts";
import type { Images } from "../images/images.ts";
import { STORE_MS } from "../lane.ts";
import { keepReport } from "../log/reports.ts";
import { submitDeletion, submitForgotten } from "./submit-deletion.ts";
import { type DeletionRecord, type StoreRecord, workKeys } from "./work-records.ts";

export type StoreWorkDeps = { core: DialectCore; images: Images };

/** Files that are read at the same time. */
const AT_ONCE = 2;
const PAGE = 100;
/** A file is read within this time (ms), and this speed; after that another process may take it. */
const LEAST_READING_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 2_000;
/** An image's message from when its file is checked until the edge has it; what is shown is told anew each time. */
export const QUEUED = "queued";

/**
 * Takes images from their registration to the edge's queue: reads what was pinned, checks it, and queues or fails the
 * command; then clears away what is staged of those that have ended. All of it is told by the records, may be done again
 * at any point, and by several processes at once.
 */
export class StoreWork {
  readonly #core: DialectCore;
  readonly #images: Images;
  #round: Promise<void> | undefined;
  #again = false;
  /** there are files to read, which is the worker's */
  #unread = false;
  #closed = false;

  constructor({ core, images }: StoreWorkDeps) {
    this.#core = core;
    this.#images = images;
  }

  /**
   * There may be something to do: where there is a worker it is told, elsewhere it is begun here, or done again after
   * what is under way. Nobody waits for it.
   */
  async wake(): Promise<void> {
    const { worker } = this.#core;
    if (worker) await worker.wake();
    else void this.round();
  }

  /** One round, which ends after everything that was there when it was asked for. It never throws. */
  async round(): Promise<void> {
    if (this.#closed) return;
    this.#again = true;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = undefined;
    });
    await this.#round;
  }

  /** Ends after the files that are read now. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#round;
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      this.#unread = false;
      await this.#each<StoreRecord>(workKeys.stores, (item) => this.#store(item));
      await this.#each<DeletionRecord>(workKeys.deletions, (item) => this.#deletion(item));
      if (this.#unread) await this.#core.worker?.wake();
    }
  }

  /** What fails for one of them keeps nobody else from theirs, and is tried again in the next round. */
  async #each<T>(pk: string, work: (item: Item<T>) => Promise<void>): Promise<void> {
    const { records, log } = this.#core;
    try {
      for await (const page of pagesOf<T>(records, { pk, limit: PAGE })) {
        await mapWithLimit(AT_ONCE, page, async (item) => {
          if (this.#closed) return;
          await work(item).catch((err: unknown) =>
            log.error({ err, command: item.sk }, "an FPGA image is left for the next round"),
          );
        });
      }
    } catch (err) {
      log.error({ err }, "FPGA images are left for the next round");
    }
  }

  async #store(item: Item<StoreRecord>): Promise<void> {
    const { records, staging } = this.#core;
    const { user, project, image: id, prefix } = item.data;
    const command = await findCommand(this.#core, user, item.sk);
    if (!command || isTerminal(command.state)) {
      if (command) await this.#endImage(command);
      await staging.deletePrefix(prefix);
      await records.transact([{ delete: workKeys.store(item.sk) }]);
      return;
    }
    if (command.state === "queued" && this.#core.now() - command.createdAt > STORE_MS) {
      await this.#core.dispatch.expire(command);
      this.#again = true;
    }
    if (command.state !== "staging") return;
    const image = await this.#images.find(project, id);
    if (!image || image.removing) {
      await this.#core.dispatch.withdraw(command);
      return;
    }
    await this.#checkAndQueue(item, command, image);
  }

  /** A command can end without its dialect's records: then its image is ended here. It changes nothing otherwise. */
  async #endImage(command: Command): Promise<void> {
    const { records } = this.#core;
    await optimistically(async () => {
      const writes = await onEnd(records, command);
      if (writes.length > 0) await records.transact(writes);
    });
  }

  async #checkAndQueue(item: Item<StoreRecord>, command: Command, image: ImageRecord): Promise<void> {
    const { dispatch } = this.#core;
    const { project, image: id } = item.data;
    const found = item.data.checked ?? (await this.#checkAlone(item, image));
    if (found === undefined) return;
    if (typeof found === "string") {
      const data = { fpga: "refused" };
      await dispatch.withdraw(command, { code: "INVALID_PARAMETERS", message: found, data });
      return;
    }
    try {
      await dispatch.queueKept(command, found.input);
    } catch (error) {
      if (!(error instanceof PerigeeError)) throw error;
      // it ended meanwhile
      if (error.code === "CANCELLED" || error.code === "EXPIRED") return;
      if (error.code !== "UNSUPPORTED_OPERATION") throw error;
      await this.#images.progressed(project, id, `waiting for a newer agent: ${error.message}`);
      return;
    }
    killPoint("fpga.queued");
    await this.#images.progressed(project, id, QUEUED);
  }

  /**
   * Of several processes on one store, one reads the file: its record says so.
   * @returns as {@link #check}; undefined when another process has the file
   */
  async #checkAlone(
    { sk, rev, data: { checkedUntil = 0, reader, ...data } }: Item<StoreRecord>,
    image: ImageRecord,
  ) {
    const { records, now } = this.#core;
    if (checkedUntil > now() && (reader === undefined || !hasEnded(reader))) return undefined;
    if (this.#core.worker) {
      this.#unread = true;
      return undefined;
    }
    const lease = LEAST_READING_MS + (data.bytes ?? 0) / SLOWEST_BYTES_PER_MS;
    // a process that ended with it would keep others from it until then
    if ((this.#core.timeLeftMs?.() ?? lease) < lease) return undefined;
    const put = (change: Partial<StoreRecord>, revision: number) =>
      records.transact([{ put: { ...workKeys.store(sk), data: { ...data, ...change } }, if: revision }]);
    try {
      const mark = processMark(process.pid);
      await put({ checkedUntil: now() + lease, ...(mark !== undefined && { reader: mark }) }, rev);
      killPoint("fpga.checking");
      const found = await this.#check(data, image).catch(async (error: unknown) => {
        await put({}, rev + 1).catch(() => undefined);
        throw error;
      });
      if (typeof found !== "string") await put({ checked: found }, rev + 1);
      killPoint("fpga.checked");
      return found;
    } catch (error) {
      // another one was faster, or this one too slow
      if (error instanceof ConditionFailed) return undefined;
      throw error;
    }
  }

  /** @returns why the file is refused, or what the edge is given */
  async #check(
    { project, image: id, prefix, bytes, edge }: StoreRecord,
    image: ImageRecord,
  ): Promise<string | NonNullable<StoreRecord["checked"]>> {
    const { bucket, key, metadata } = image;
    if (bytes === undefined) return `OBJECT_MISSING: logic file [${bucket}:${key}] does not exist`;
    if (bytes > CHECK_BOUNDS.maxFile) {
      return `OBJECT_TOO_LARGE: the file has ${bytes} bytes, more than ${CHECK_BOUNDS.maxFile}`;
    }
    await this.#images.progressed(project, id, "checking");
    const nodes = await fpgaNodes(this.#core, edge);
    const pinned = await this.#core.staging.pieces(`${prefix}0`).catch((error: unknown) => {
      if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
      throw error;
    });
    if (!pinned) return "INTERNAL: what was kept of the object is gone";
    const checked = await checkFile(pinned, { key, metadata }, nodes);
    const { records, now } = this.#core;
    await keepReport(records, { project, image: id }, { report: checked.report, at: now() });
    if (checked.refused) return checked.message ?? "FORMAT_INVALID";
    const note = checked.message;
    return { input: inputOf(image, checked), ...(note !== undefined && { note }) };
  }

  /** A deletion that did not succeed is asked for again, as long as the image is there. */
  async #deletion({ sk, data }: Item<DeletionRecord>): Promise<void> {
    const command = await findCommand(this.#core, data.user, sk);
    if (command && !isTerminal(command.state)) return;
    if (data.forgotten) return submitForgotten(this.#core, data, sk);
    const image = await this.#images.find(data.project, data.image);
    if (image?.status === "deleting") await submitDeletion(this.#core, this.#images, data, sk);
    else await this.#core.records.transact([{ delete: workKeys.deletion(sk) }]);
  }
}

function inputOf({ id, metadata }: ImageRecord, { report }: CheckedFile): FpgaImage {
  const { sha256, size, format = "unknown", payload, idcode, xclbin } = report;
  if (sha256 === undefined) throw new Error(`the file of ${commandOf(id)} was not read to its end`);
  return {
    image: id,
    sha256,
    bytes: size,
    format,
    payload: payload ?? { offset: 0, length: size },
    checks: {
      ...(idcode !== undefined && { idcode: idcode >>> 0 }),
      ...(xclbin && {
        interfaceUuid: xclbin.interfaceUuid,
        platform: xclbin.platform,
        uuid: xclbin.uuid,
      }),
    },
    metadata,
  };
}
