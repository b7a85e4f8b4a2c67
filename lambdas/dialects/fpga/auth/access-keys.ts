import { keyQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import type { OwnRecords } from "../../own-records.ts";
import type { Project } from "../project.ts";
import { workKeys } from "../store/work-records.ts";
import { newAccessKey, newSecret } from "./access-key.ts";
import type { SealedSecret, SecretSeal } from "./sealed-secret.ts";

export const MOST_ACCESS_KEYS = 5;

/** Of a project's keys, as they are listed. `createdAt` in ms since 1970. */
export type AccessKeyRow = { accessKey: string; createdAt: number };

/** The record behind an access key. */
export type AccessKeyRecord = {
  user: string;
  uid: string;
  edge: string;
  project: string;
  sealed: SealedSecret;
};

const keys = {
  key: (accessKey: string) => ({ pk: `key#${accessKey}`, sk: "key" }),
  ofProject: (project: string) => ({ pk: `keys#${project}`, sk: "keys" }),
};

type Listed = { keys: AccessKeyRow[] };

/** The access keys of projects. A project's list and the keys in it change in one transaction. */
export class AccessKeys {
  readonly #records: OwnRecords;
  readonly #seal: SecretSeal;

  constructor(records: OwnRecords, seal: SecretSeal) {
    this.#records = records;
    this.#seal = seal;
  }

  /**
   * Makes a key, whose secret is shown this once.
   * @param now ms since 1970
   * @throws QUOTA_EXCEEDED for a sixth one
   */
  async create({ id, user, uid, edge }: Project, now: number): Promise<AccessKeyRow & { secret: string }> {
    const accessKey = newAccessKey();
    const secret = newSecret();
    const sealed = await this.#seal.seal(secret, { accessKey, project: id });
    const record: AccessKeyRecord = { user, uid, edge, project: id, sealed };
    await optimistically(async () => {
      const list = await this.#list(id);
      if (list.keys.length >= MOST_ACCESS_KEYS) {
        throw keyQuotaExceeded(edge, list.keys.length);
      }
      await this.#records.transact([
        { put: { ...keys.key(accessKey), data: record }, if: 0 },
        {
          put: { ...keys.ofProject(id), data: { keys: [...list.keys, { accessKey, createdAt: now }] } },
          if: list.rev,
        },
        { put: { ...workKeys.project(uid, edge), data: {} } },
      ]);
    });
    return { accessKey, createdAt: now, secret };
  }

  /** The keys of a project, the oldest first. */
  async list(project: string): Promise<AccessKeyRow[]> {
    return (await this.#list(project)).keys;
  }

  /** @returns whether the project had such a key */
  async revoke(project: string, accessKey: string): Promise<boolean> {
    return optimistically(async () => {
      const list = await this.#list(project);
      const rest = list.keys.filter((row) => row.accessKey !== accessKey);
      if (rest.length === list.keys.length) return false;
      await this.#records.transact([
        { delete: keys.key(accessKey) },
        { put: { ...keys.ofProject(project), data: { keys: rest } }, if: list.rev },
      ]);
      return true;
    });
  }

  /** Revokes all of a project's keys: its user or grant is gone. */
  async revokeAll(project: string): Promise<void> {
    await optimistically(async () => {
      const list = await this.#list(project);
      if (list.rev === 0) return;
      await this.#records.transact([
        ...list.keys.map(({ accessKey }) => ({ delete: keys.key(accessKey) })),
        { delete: keys.ofProject(project), if: list.rev },
      ]);
    });
  }

  /** What a key stands for; undefined when there is none, or no longer. */
  async find(accessKey: string): Promise<AccessKeyRecord | undefined> {
    return (await this.#records.get<AccessKeyRecord>(keys.key(accessKey)))?.data;
  }

  /** Its secret; undefined when no present key of the ground opens it. */
  secretOf(accessKey: string, { project, sealed }: AccessKeyRecord): Promise<string | undefined> {
    return this.#seal.open(sealed, { accessKey, project });
  }

  async #list(project: string): Promise<Listed & { rev: number }> {
    const item = await this.#records.get<Listed>(keys.ofProject(project));
    return { keys: item?.data.keys ?? [], rev: item?.rev ?? 0 };
  }
}
