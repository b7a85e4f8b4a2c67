import { dirname } from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { acceptedId, type Body, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { CliFailure, EXIT } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";
import { followToSuccess } from "../follow.ts";
import type { Answer } from "../http/call.ts";
import { bytes } from "../output/text.ts";
import type { Session } from "../session.ts";
import { type Declared, fingerprint } from "./fingerprint.ts";
import { PartUrls } from "./part-urls.ts";
import { sendParts } from "./send-parts.ts";
import { type OpenRequest, type PartName, UploadApi, type UploadState } from "./upload-api.ts";
import { UploadRecord } from "./upload-record.ts";

const PART = LIMITS.partBytes;
/** How often parts that have disappeared on the ground are sent again. */
const ROUNDS = 3;

export type Target = { dest_path?: string; pod_name?: string; pvc_name?: string };

/**
 * An uplink in parts. Running the same command again continues an interrupted one, and sends only those parts again
 * that were under way.
 * @param shape makes the contract's answer from a command that had to be followed
 */
export async function uplinkInParts(
  session: Session,
  files: LocalFile[],
  target: Target,
  shape: (command: CommandView) => Body,
): Promise<Body> {
  const { client, output, signal, url } = session;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let read = 0;
  const onRead = (n: number) => {
    read += n;
    output.step("reading", { done: read, total });
  };
  const declared = await fingerprint(files, { partSize: PART, signal, onRead });
  const directory = dirname(session.credentials.path);
  const what = [url, client.options.edge, target, PART, declared];
  const record = await UploadRecord.open(directory, what);
  const api = new UploadApi(client);
  const request: OpenRequest = { ...target, part_size: PART, files: declared };
  const upload = (await resumed(api, record)) ?? (await opened(api, record, request, client.patience()));
  client.resumable = resumeHint(upload.id);
  try {
    const answer = await completed(session, upload, { api, files, declared, total });
    // From here on it is a command like any other: the same uplink again would be another one.
    client.resumable = undefined;
    await record.forget();
    const body = await readJson(answer);
    if (answer.status !== 202) return body;
    output.step("uploading", { done: total, total });
    return shape(await followToSuccess(client, acceptedId(answer, body), client.patience()));
  } catch (error) {
    const hint = client.resumable;
    if (!(error instanceof CliFailure) || hint === undefined) throw error;
    if (isFinal(error)) {
      client.resumable = undefined;
      await record.forget();
      // Nobody will continue it: frees what it holds of the quota and the queue.
      if (error.code === "LOCAL_FILE") await api.cancel(upload.id).catch(() => undefined);
      throw error;
    }
    const { code, message, exit, fields, cause } = error;
    throw new CliFailure(code, message, { exit, hint, fields, cause });
  }
}

/** The upload that an earlier run left, if it can still be continued. */
async function resumed(api: UploadApi, record: UploadRecord): Promise<UploadState | undefined> {
  if (record.id === undefined) return undefined;
  const found = await api.find(record.id);
  if (found && !hasFailed(found)) return found;
  await record.forget();
  return undefined;
}

async function opened(
  api: UploadApi,
  record: UploadRecord,
  request: OpenRequest,
  patience: Parameters<UploadApi["open"]>[2],
): Promise<UploadState> {
  await record.keep();
  let upload = await api.open(request, record.key, patience);
  if (hasFailed(upload)) {
    // The upload that the key belongs to has ended since.
    await record.forget();
    await record.keep();
    upload = await api.open(request, record.key, patience);
  }
  await record.keep(upload.id);
  const all = request.files.reduce((sum, { crc32 }) => sum + crc32.length, 0);
  if (upload.state === "staging" && upload.missing === all) return upload;
  // The key was used before, by a run that never got the answer.
  return (await api.find(upload.id)) ?? upload;
}

type Sending = { api: UploadApi; files: LocalFile[]; declared: Declared[]; total: number };

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

function resumeHint(id: string): string {
  return `what has arrived is kept: run the same command again to go on; give it up: perigee cancel ${id}`;
}
