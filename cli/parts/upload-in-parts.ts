import { dirname } from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { CliFailure, EXIT } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";
import type { Answer } from "../http/call.ts";
import { bytes } from "../output/text.ts";
import type { Patience } from "../patience.ts";
import type { Session } from "../session.ts";
import { type Declared, fingerprint } from "./fingerprint.ts";
import { PartUrls } from "./part-urls.ts";
import type { PartName, PartsApi, UploadState } from "./parts-api.ts";
import { sendParts } from "./send-parts.ts";
import { UploadRecord } from "./upload-record.ts";

const PART = LIMITS.partBytes;
/** How often parts that have disappeared on the ground are sent again. */
const ROUNDS = 3;

export type Upload = {
  /** makes the same upload again what it is, beside ground and edge: where it goes to */
  target: unknown;
  api: PartsApi;
  /** how a person gives it up */
  giveUp: (id: string) => string;
};

/**
 * Brings files to the ground in parts. Running the same command again continues an interrupted upload, and sends only
 * those parts again that were under way.
 * @returns the answer to its completion, 200 or 202
 */
export async function uploadInParts(
  session: Session,
  files: LocalFile[],
  { target, api, giveUp }: Upload,
): Promise<Answer> {
  const { client, output, signal, url } = session;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let read = 0;
  const onRead = (n: number) => {
    read += n;
    output.step("reading", { done: read, total });
  };
  const declared = await fingerprint(files, { partSize: PART, signal, onRead });
  const directory = dirname(session.credentials.path);
  const record = await UploadRecord.open(directory, [url, client.options.edge, target, PART, declared]);
  const upload = (await resumed(api, record)) ?? (await opened(api, record, declared, client.patience()));
  client.resumable = `what has arrived is kept: run the same command again to go on; give it up: ${giveUp(upload.id)}`;
  try {
    const answer = await completed(session, upload, { api, files, declared, total });
    client.resumable = undefined;
    await record.forget();
    if (answer.status === 202) output.step("uploading", { done: total, total });
    return answer;
  } catch (error) {
    const hint = client.resumable;
    if (!(error instanceof CliFailure) || hint === undefined) throw error;
    if (isFinal(error)) {
      client.resumable = undefined;
      await record.forget();
      // It cannot be resumed: gives back its part of the quota and its place in the queue.
      if (error.code === "LOCAL_FILE") await api.cancel(upload.id).catch(() => undefined);
      throw error;
    }
    const { code, message, exit, fields, cause } = error;
    throw new CliFailure(code, message, { exit, hint, fields, cause });
  }
}

/** The upload that an earlier run left, if it can still be continued. */
async function resumed(api: PartsApi, record: UploadRecord): Promise<UploadState | undefined> {
  if (record.id === undefined) return undefined;
  const found = await api.find(record.id);
  if (found && !hasFailed(found)) return found;
  await record.forget();
  return undefined;
}

async function opened(
  api: PartsApi,
  record: UploadRecord,
  declared: Declared[],
  patience: Patience,
): Promise<UploadState> {
  await record.keep();
  let upload = await api.open({ partSize: PART, files: declared }, record.key, patience);
  if (hasFailed(upload)) {
    // The upload that the key belongs to has ended since.
    await record.forget();
    await record.keep();
    upload = await api.open({ partSize: PART, files: declared }, record.key, patience);
  }
  await record.keep(upload.id);
  const all = declared.reduce((sum, { crc32 }) => sum + crc32.length, 0);
  if (upload.state === "staging" && upload.missing === all) return upload;
  // The key was used before, by a run that never got the answer.
  return (await api.find(upload.id)) ?? upload;
}

type Sending = { api: PartsApi; files: LocalFile[]; declared: Declared[]; total: number };

/** Sends the missing parts and completes the upload; parts that have disappeared on the ground are sent again. */
async function completed(session: Session, upload: UploadState, sending: Sending): Promise<Answer> {
  const patience = session.client.patience();
  const prefer: Record<string, string> = patience.limitMs ? { Prefer: "respond-async" } : {};
  let state = upload;
  for (let round = 1; ; round++) {
    if (state.state === "staging") await sendMissing(session, state, sending);
    try {
      return await sending.api.complete(upload.id, prefer, patience);
    } catch (error) {
      const incomplete = error instanceof CliFailure && error.code === "UPLINK_INCOMPLETE";
      const found = incomplete && round < ROUNDS && (await sending.api.find(upload.id));
      if (!found) throw error;
      state = found;
    }
  }
}

async function sendMissing(session: Session, state: UploadState, sending: Sending): Promise<void> {
  const { client, output, signal, url } = session;
  const { api, files, declared, total } = sending;
  const parts = missingOf(state, declared);
  const from = total - parts.reduce((sum, part) => sum + sizeOf(part, declared), 0);
  if (from > 0) output.notice(`going on with upload ${state.id}: ${bytes(from)} have arrived already`);
  const urls = new PartUrls(api, state.id, parts);
  urls.add(state);
  await sendParts(parts, {
    ground: url,
    partSize: PART,
    files,
    declared,
    urls,
    patience: client.patience(),
    signal,
    notice: (text) => output.notice(text),
    onSent: (sent) => output.step("uploading", { done: from + sent, total, from }),
  });
}

/** The parts that have not arrived, as the ground says; all of them when the upload was just opened. */
function missingOf(state: UploadState, declared: Declared[]): PartName[] {
  if (state.missing_files) {
    return state.missing_files.flatMap(({ file, parts }) => parts.map((part) => ({ file, part })));
  }
  return declared.flatMap(({ crc32 }, file) => crc32.map((_crc, i) => ({ file, part: i + 1 })));
}

function sizeOf({ file, part }: PartName, declared: Declared[]): number {
  return Math.min(PART, declared[file]!.size - (part - 1) * PART);
}

function hasFailed({ state }: UploadState): boolean {
  return ["failed", "cancelled", "expired"].includes(state);
}

/** Failures after which an upload cannot be continued. */
function isFinal({ code, exit }: CliFailure): boolean {
  const codes = ["UPLINK_ENDED", "UPLINK_NOT_FOUND", "CANCELLED", "EXPIRED", "LOCAL_FILE"];
  return codes.includes(code) || exit === EXIT.usage;
}
