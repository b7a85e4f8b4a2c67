import { afterAll, beforeAll, expect } from "vitest";
import {
  type ExecSpec,
  type Execution,
  type PodSessions,
  SessionFailure,
} from "#agent/sessions/pod-sessions.ts";

/** What an adapter brings to its conformance test. */
export type SessionsFixture = {
  sessions: PodSessions;
  /** Starts a run of the runners' test image, which sleeps; its working directory is `/workspace`. */
  start(): Promise<string>;
  /** Kills its container at once. */
  kill(run: string): Promise<void>;
  cleanUp(): Promise<void>;
};

export const signal = new AbortController().signal;
export const options = { signal, defaultWorkdir: "/workspace" };

/** Names of files, and words, that somebody would read as something else. */
export const NAMES = [
  "plain",
  "with blank",
  "new\nline",
  'quo"te',
  "it's",
  "a -> b",
  "back\\slash",
  "\u00e4\u20ac\u{1f600}",
  "-rf",
  "$(id)",
  "`id`",
  "tab\there",
  "x;y",
  "a=b",
  "\x01\x7f",
];

export type Said = { stdout: string; stderr: string; code: number };

/** One run of the fixture, which all tests of the suite share, and what is executed in it. */
export class SessionsRig {
  fixture!: SessionsFixture;
  sessions!: PodSessions;
  run!: string;

  constructor(create: () => Promise<SessionsFixture>) {
    beforeAll(async () => {
      this.fixture = await create();
      this.sessions = this.fixture.sessions;
      this.run = await this.fixture.start();
      await this.bash("mkdir -p /workspace && chmod 1777 /workspace", { as: "root", defaultWorkdir: "" });
    });
    afterAll(() => this.fixture?.cleanUp());
  }

  readonly start = (argv: string[], over: Partial<ExecSpec> = {}): Promise<Execution> =>
    this.sessions.exec(this.run, specOf(argv, over), { signal });

  readonly bash = async (command: string, over: Partial<ExecSpec> = {}, input?: string): Promise<Said> => {
    const execution = await this.start(["/bin/bash", "-c", command], over);
    if (input !== undefined) await execution.write(Buffer.from(input));
    if (!over.terminal) await execution.endInput();
    return said(execution);
  };
}

export function specOf(argv: string[], over: Partial<ExecSpec> = {}): ExecSpec {
  return { argv, as: "user", env: {}, defaultWorkdir: "/workspace", ...over };
}

/** What the promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<SessionFailure> {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(SessionFailure);
  return error;
}

/** All that an execution says, and how it ends. */
export async function said(execution: Execution): Promise<Said> {
  const chunks: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for await (const { stream, data } of execution.output) chunks[stream].push(data);
  const text = (stream: "stdout" | "stderr") => Buffer.concat(chunks[stream]).toString();
  return { stdout: text("stdout"), stderr: text("stderr"), code: await execution.exit };
}

/** What stdout said until then; the rest is left to be read. */
export async function untilSaid(execution: Execution, wanted: string): Promise<string> {
  let told = "";
  const output = execution.output[Symbol.asyncIterator]();
  while (!told.includes(wanted)) {
    const { value, done } = await output.next();
    if (done) break;
    if (value.stream === "stdout") told += value.data;
  }
  return told;
}
