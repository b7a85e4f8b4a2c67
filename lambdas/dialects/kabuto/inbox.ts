import { randomInt, randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { MANIFEST } from "../../dispatch/staging-keys.ts";
import type { DialectCore } from "../core.ts";
import { requireTree } from "./attachment-path.ts";
import { MOST_FILES } from "./job-bounds.ts";
import { inboxOf } from "./kept.ts";
import type { Owner } from "./owner.ts";
import type { Attachment, AttachmentSink } from "./parameters.ts";
import type { Attachments } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";

/** A job's attachments may have no more files than one request, and no more bytes. */
const LIST_BYTES = 64 * 1024 * 1024;
/** Files of one request are numbered from a random multiple of this. */
const NUMBERS = 1024;

/** Stores the attachments of one request beside those that the job has. Nothing of them counts until it is listed. */
export function attachmentSink(
  { staging }: Pick<DialectCore, "staging">,
  owner: Owner,
  token: string,
  allowance: number,
): AttachmentSink & { numbered(attachments: Attachment[]): Attachment[]; drop(): Promise<void> } {
  const first = randomInt(2 ** 40) * NUMBERS;
  const stored = new Set<string>();
  return {
    allowance,
    store(n, body, signal) {
      const key = `${inboxOf(owner, token)}${first + n}`;
      stored.add(key);
      return staging.put(key, body, { maxBytes: Number.MAX_SAFE_INTEGER, signal });
    },
    // the request was refused: nothing of it stays
    async drop() {
      for (const key of stored) await staging.deletePrefix(key).catch(() => undefined);
    },
    numbered: (attachments) => attachments.map((file) => ({ ...file, n: first + file.n })),
  };
}

/** The files that a job has. */
export async function listInbox(
  { staging }: Pick<DialectCore, "staging">,
  owner: Owner,
  of: { token: string; attachments?: Attachments | undefined },
): Promise<Attachment[]> {
  if (!of.attachments) return [];
  const { body } = await staging.get(`${inboxOf(owner, of.token)}${of.attachments.list}`);
  return JSON.parse(await text(body)) as Attachment[];
}

/**
 * Lists a job's files anew, with `added`: of two of one path the later one counts.
 * @returns what its record is to hold, and the objects that it then needs no more
 */
export async function extendInbox(
  core: Pick<DialectCore, "staging">,
  owner: Owner,
  of: { token: string; attachments?: Attachments | undefined },
  added: readonly Attachment[],
): Promise<{ attachments: Attachments; replaced: string[] }> {
  const before = await listInbox(core, owner, of);
  const files = [...new Map([...before, ...added].map((file) => [file.path, file])).values()];
  if (files.length > MOST_FILES.job) throw refusal(TEXTS.tooManyFilesOfJob);
  requireTree(files.map(({ path }) => path));
  const prefix = inboxOf(owner, of.token);
  const attachments = await putList(core, prefix, `list-${randomUUID()}`, files);
  const stays = new Set(files.map(({ n }) => n));
  const replaced = before.filter(({ n }) => !stays.has(n)).map(({ n }) => `${prefix}${n}`);
  // a submission may be writing that one now
  if (of.attachments && of.attachments.list !== MANIFEST) replaced.push(`${prefix}${of.attachments.list}`);
  return { attachments, replaced };
}

/** Lists the files of a job that is being made, as the agent fetches them unless more are added. */
export async function firstInbox(
  core: Pick<DialectCore, "staging">,
  owner: Owner,
  token: string,
  files: readonly Attachment[],
): Promise<Attachments> {
  return putList(core, inboxOf(owner, token), MANIFEST, files);
}

async function putList(
  core: Pick<DialectCore, "staging">,
  prefix: string,
  list: string,
  files: readonly Attachment[],
): Promise<Attachments> {
  await putJson(core, `${prefix}${list}`, files);
  return { list, count: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

/**
 * The files as the agent fetches them, where a job has some.
 * @returns their prefix in staging
 */
export async function stageInbox(
  core: Pick<DialectCore, "staging">,
  owner: Owner,
  of: { token: string; attachments?: Attachments | undefined },
): Promise<string | undefined> {
  if (!of.attachments) return undefined;
  const prefix = inboxOf(owner, of.token);
  if (of.attachments.list !== MANIFEST)
    await putJson(core, `${prefix}${MANIFEST}`, await listInbox(core, owner, of));
  return prefix;
}

function putJson({ staging }: Pick<DialectCore, "staging">, key: string, value: unknown) {
  const bytes = Buffer.from(JSON.stringify(value));
  return staging.put(key, bytes, { maxBytes: LIST_BYTES });
}
