import type { NodeKind } from "#protocol/names.ts";
import type { CommandOrder } from "../../auth/command-order.ts";
import type { Key } from "../../ports/ledger-store.ts";
import type { StoredText } from "./stored-text.ts";

/**
 * Keys of this dialect's records, each of which is a user's: of the account with that uid, so that a name made again
 * starts empty.
 *
 * | pk | sk | data |
 * | --- | --- | --- |
 * | uid | `counter#<kind>` | {@link Counter} |
 * | uid | `image#<id>`, `pipeline#<id>`, `job#<id>` | {@link ImageRecord}, {@link PipelineRecord}, {@link JobRecord} |
 * | uid | `run#<job's id>` | {@link RunRecord}: the job's newest run |
 * | uid | `build#<build_id>` | {@link BuildRecord}, for 90 days |
 * | uid | `dockerfile#<build_id>` | `{text}`: what a build builds, until it has ended |
 * | uid | `gone#<ref>` | {@link GoneRecord}: an image that is to be removed from the edge |
 * | uid | `replay#<route>#<key>` | {@link ReplayRecord}, for a day |
 * | uid | `replays` | {@link ReplaysRecord} |
 * | uid | `submitted` | `{}`: its revision counts the submissions that were decided |
 * | uid | `session#<made at>#<hash>` | `{}` |
 * | uid | `account` | {@link RegistrationRecord} of who registered here |
 * | `commands` | command id | {@link OfCommand} |
 * | `sessions` | SHA-256 of the cookie | {@link SessionRecord} |
 * | `logins` | login | {@link LoginRecord} |
 * | `emails` | e-mail, lower-case | {@link LoginRecord} |
 * | `registrations` | `accounts`, address | how many, when |
 * | `removed` | `<removed at>#<uid>` | {@link RemovedRecord} |
 * | `janitor` | what it goes through | {@link CursorRecord} |
 *
 * Times are ms since 1970.
 */
export type Kind = "image" | "pipeline" | "job";

/**
 * `last`: the id given last; `used`: how many there are, of images with the builds of new ones. Of jobs also the files
 * that they have together, and the bytes of their commands' texts; absent in records of an earlier version.
 */
export type Counter = { last: number; used: number; files?: number; textBytes?: number };

export type ImageRecord = {
  id: number;
  name: string;
  /** the text that was built */
  dockerfile: StoredText;
  createdAt: number;
  edge: string;
  /** its name on the edge */
  ref: string;
};

export type OnFailure = "continue" | "stop";

export type PipelineRecord = {
  id: number;
  name: string;
  createdAt: number;
  edge: string;
  onFailure: OnFailure;
  /** ids in their order */
  jobs: number[];
  /** a submission that was decided and whose commands may not all be queued */
  pending?: Submission;
};

/** `runs`: of these jobs, with the number of each one's new run. */
export type Submission = CommandOrder & {
  id: string;
  at: number;
  runs: { job: number; run: number }[];
  /** sort key of what its Idempotency-Key answers, which goes with a refusal */
  replay?: string;
};

export type JobRecord = {
  id: number;
  pipeline: number;
  /** null: it was deleted */
  image: number | null;
  /** as given; null: the image's own */
  command: StoredText | null;
  createdAt: number;
  /** shown, and the name of the place where its attachments are kept; it opens nothing */
  token: string;
  maxMinutes: number | null;
  node: NodeKind | null;
  attachments?: Attachments;
};

/** `list`: name of the object that lists them; how many, and bytes in all. */
export type Attachments = { list: string; count: number; bytes: number };

export type RunRecord = {
  /** how often the job was submitted */
  run: number;
  command: string;
  /** command of the run before, whose log is kept too */
  previous?: string;
  edge: string;
  submittedAt: number;
  /** the submission that it came in */
  submission: string;
  /** it is cancelled because one before it failed */
  skipped?: true;
  end?: RunEnd;
};

export type RunEnd = {
  state: "done" | "failed";
  response: number;
  reason: string;
  message: string | null;
  startedAt: number | null;
  finishedAt: number | null;
  used: { cpuMs: number; memoryBytes: number; ioBytes: number };
  /** bytes of its kept zip; null: it has none */
  resultBytes: number | null;
};

export type BuildRecord = {
  id: string;
  name: string;
  /** in the record of an earlier version; now beside it, see `keys.dockerfile` */
  dockerfile?: string;
  createdAt: number;
  edge: string;
  /** absent: it never reached an edge */
  ref?: string;
  /** it replaces the content of this image */
  replaces?: number;
  end?:
    | { state: "SUCCESS"; image: number }
    /** `output`: the log is its own; else the text, or null */
    | {
        state: "FAILED" | "FAILURE";
        error: string;
        output: "log" | { text: string | null };
        message?: string;
      };
};

/** What was answered under an Idempotency-Key, to the request of that digest. */
export type ReplayRecord = { digest: string; at: number; answer: object };

/** Its revision counts the records of Idempotency-Keys that were written; `since` is that of the last look for old ones. */
export type ReplaysRecord = { since: number };

export type GoneRecord = { user: string; edge: string; ref: string; command?: string };
export type OfCommand =
  | { uid: string; build: string }
  | { uid: string; job: number }
  | { uid: string; gone: string };
export type SessionRecord = { user: string; uid: string; generation: number; at: number };
export type LoginRecord = { user: string; uid: string };
/** `at`: when it registered, `usedAt`: its first log-in; absent in records of an earlier version. */
export type RegistrationRecord = {
  login: string;
  email: string;
  token: string;
  confirmed: boolean;
  at?: number;
  usedAt?: number;
};
/** An account whose records were removed; once more, later, as requests may have been under way. */
export type RemovedRecord = { user: string; uid: string; at: number };
/** How far the janitor has come; nothing: it begins. */
export type CursorRecord = { after?: string };

const number = (id: number) => String(id).padStart(15, "0");

export const keys = {
  counter: (uid: string, kind: Kind): Key => ({ pk: uid, sk: `counter#${kind}` }),
  object: (uid: string, kind: Kind, id: number): Key => ({ pk: uid, sk: `${kind}#${number(id)}` }),
  run: (uid: string, job: number): Key => ({ pk: uid, sk: `run#${number(job)}` }),
  build: (uid: string, id: string): Key => ({ pk: uid, sk: `build#${id}` }),
  dockerfile: (uid: string, id: string): Key => ({ pk: uid, sk: `dockerfile#${id}` }),
  gone: (uid: string, ref: string): Key => ({ pk: uid, sk: `gone#${ref}` }),
  replay: (uid: string, route: string, key: string): Key => ({ pk: uid, sk: `replay#${route}#${key}` }),
  replays: (uid: string): Key => ({ pk: uid, sk: "replays" }),
  submitted: (uid: string): Key => ({ pk: uid, sk: "submitted" }),
  ofCommand: (id: string): Key => ({ pk: "commands", sk: id }),
  session: (hash: string): Key => ({ pk: "sessions", sk: hash }),
  userSession: (uid: string, at: number, hash: string): Key => ({
    pk: uid,
    sk: `session#${number(at)}#${hash}`,
  }),
  account: (uid: string): Key => ({ pk: uid, sk: "account" }),
  login: (login: string): Key => ({ pk: "logins", sk: login }),
  email: (email: string): Key => ({ pk: "emails", sk: email.toLowerCase() }),
  removed: (uid: string, at: number): Key => ({ pk: "removed", sk: `${number(at)}#${uid}` }),
  cursor: (of: string): Key => ({ pk: "janitor", sk: of }),
  registrations: (of: string): Key => ({ pk: "registrations", sk: of }),
};
