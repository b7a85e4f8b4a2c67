import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Idempotency } from "../../../dispatch/dispatch.ts";
import { ulid } from "../../../ledger/ulid.ts";
import { pagesOf } from "../../../ports/pages-of.ts";
import { type PartedFile, PartFiles, type PartOf, type SignedPartOf } from "../../../uplinks/part-files.ts";
import type { DialectCore } from "../../core.ts";
import { PINS } from "../lane.ts";
import type { Arrival } from "./bucket-record.ts";
import type { ShownObject, UserObjects } from "./user-objects.ts";

/** An upload in parts: file 0 of its plan is the object. */
export type ObjectUpload = {
  user: string;
  uid: string;
  arrival: Arrival;
  partSize: number;
  file: PartedFile;
  createdAt: number;
  /** its object, since `at`: for who asks again because the answer was lost */
  done?: { object: ShownObject; at: number };
};

const UPLOADS = "uploads";
const keyOf = (id: string) => ({ pk: UPLOADS, sk: id });
const PAGE = 100;

/** Objects that come in parts, as large uplinks do: straight to staging, over hours if need be. */
export class ObjectUploads {
  readonly #core: DialectCore;
  readonly #objects: UserObjects;
  readonly #files: PartFiles;

  constructor(core: DialectCore, objects: UserObjects) {
    this.#core = core;
    this.#objects = objects;
    this.#files = new PartFiles(core.staging);
  }

  /**
   * Opens an upload; a replayed Idempotency-Key finds the earlier one while it is open.
   * @throws as Buckets.reserve; STORAGE_FULL
   */
  async open(
    { name: user, uid }: { name: string; uid: string },
    edge: string,
    of: { bucket: string; key: string; partSize: number; file: PartedFile; idempotency?: Idempotency },
  ): Promise<ObjectUpload> {
    const { records, now, bytesLeft, staging } = this.#core;
    const { bucket, key, partSize, file, idempotency } = of;
    const id = ulid(now());
    const prefix = `${PINS}/${user}/${id}/`;
    const until = now() + LIMITS.partsIdleMs;
    const asked = { id, bucket, key, bytes: file.size, prefix, until, ...(idempotency && { idempotency }) };
    const arrival = await this.#objects.buckets.reserve(uid, asked, () => bytesLeft(user, edge));
    if (arrival !== asked) return this.find(uid, arrival.id);
    try {
      const [begun = file] = await this.#files.begin(prefix, { partSize, files: [file] });
      const upload: ObjectUpload = { user, uid, arrival, partSize, file: begun, createdAt: now() };
      await records.transact([{ put: { ...keyOf(id), data: upload }, if: 0 }]);
      return upload;
    } catch (error) {
      await this.#objects.buckets.release(uid, id);
      await staging.deletePrefix(prefix);
      throw error;
    }
  }

  /** @throws UPLINK_NOT_FOUND also for another user's */
  async find(uid: string, id: string): Promise<ObjectUpload> {
    const upload = (await this.#core.records.get<ObjectUpload>(keyOf(id)))?.data;
    if (upload?.uid !== uid) throw new PerigeeError("UPLINK_NOT_FOUND", `There is no upload ${id}`);
    return upload;
  }

  /** The parts that have not arrived, in order. */
  missing(upload: ObjectUpload): Promise<PartOf<PartedFile>[]> {
    return this.#files.missing(upload.arrival.prefix, planOf(upload));
  }

  /** URLs for parts, good for an hour. Who asks goes on: the upload is kept longer. */
  async sign(upload: ObjectUpload, parts: PartOf<PartedFile>[]): Promise<SignedPartOf<PartedFile>[]> {
    const { uid, arrival, createdAt } = upload;
    const until = Math.min(createdAt + LIMITS.partsMs, this.#core.now() + LIMITS.partsIdleMs);
    await this.#objects.buckets.extend(uid, arrival.id, until);
    return this.#files.sign(arrival.prefix, parts, LIMITS.partUrlMs / 1000);
  }

  /**
   * Makes the object of it. Of several at once, or one that is repeated after its answer was lost, those that come late
   * find the object.
   * @throws UPLINK_INCOMPLETE (it goes on), UPLINK_NOT_FOUND
   */
  async complete(upload: ObjectUpload): Promise<ShownObject> {
    const { uid, arrival } = upload;
    if (upload.done) return upload.done.object;
    const missing = await this.#files.assemble(arrival.prefix, planOf(upload));
    if (missing.length > 0) {
      const named = missing.map(({ number }) => ({ file: 0, part: number }));
      const message = `${missing.length} parts of the upload have not arrived`;
      throw new PerigeeError("UPLINK_INCOMPLETE", message, { data: { missing: named, count: named.length } });
    }
    if (arrival.bytes === 0) await this.#core.staging.put(`${arrival.prefix}0`, Buffer.of(), { maxBytes: 0 });
    const object = await this.#objects.place(uid, arrival);
    if (!object) throw new PerigeeError("UPLINK_NOT_FOUND", `There is no upload ${arrival.id}`);
    const data: ObjectUpload = { ...upload, done: { object, at: this.#core.now() } };
    await this.#core.records.transact([{ put: { ...keyOf(arrival.id), data } }]);
    return object;
  }

  /** Gives it up. */
  async cancel({ uid, arrival }: ObjectUpload): Promise<void> {
    await this.#core.staging.deletePrefix(arrival.prefix);
    await this.#objects.buckets.release(uid, arrival.id);
    await this.#core.records.transact([{ delete: keyOf(arrival.id) }]);
  }

  /** Gives up those that nobody goes on with. @returns the prefixes of all others in staging */
  async sweep(): Promise<Set<string>> {
    const open = new Set<string>();
    for await (const page of pagesOf<ObjectUpload>(this.#core.records, { pk: UPLOADS, limit: PAGE })) {
      for (const { data } of page) {
        if (data.done && this.#core.now() - data.done.at < LIMITS.partsIdleMs) continue;
        const arriving = await this.#objects.buckets.arriving(data.uid);
        if (arriving.some(({ id }) => id === data.arrival.id)) open.add(data.arrival.prefix);
        else await this.cancel(data);
      }
    }
    return open;
  }
}

const planOf = ({ partSize, file }: ObjectUpload) => ({ partSize, files: [file] });
