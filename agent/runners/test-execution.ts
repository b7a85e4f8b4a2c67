import { type PodSessions, SessionFailure } from "../sessions/pod-sessions.ts";
import { WORKSPACE } from "./runner-spec.ts";

/** The runner cannot serve; the message says why, for users. */
export class Unfit extends Error {
  override readonly name = "Unfit";
}

const TOOLS = [
  "cat",
  "chmod",
  "chown",
  "env",
  "head",
  "ls",
  "mkdir",
  "rm",
  "sleep",
  "stat",
  "find",
  "xargs",
  "tar",
];

const UNFIT = 44;

/** What executions and file operations need, checked by doing it; the workspace gets its mode. */
const SCRIPT = [
  `for tool in ${TOOLS.join(" ")}; do command -v "$tool" >/dev/null || missing="$missing $tool"; done`,
  `[ -z "$missing" ] || { echo "the image lacks$missing"; exit ${UNFIT}; }`,
  `find / -maxdepth 0 -printf '' 2>/dev/null || { echo "the image's find is not GNU find"; exit ${UNFIT}; }`,
  `tar --version 2>/dev/null | head -n 1 | { read -r line; [[ $line == *GNU* ]]; } ||` +
    ` { echo "the image's tar is not GNU tar"; exit ${UNFIT}; }`,
  `if [[ $PWD == ${WORKSPACE} ]]; then chown 0:0 . && chmod 1777 .; fi`,
].join("\n");

/** Becoming the user is a program of the image's on some engines. */
const AS_USER = ":";

/**
 * Proves that a runner can execute, as root and as its user, before it is handed out.
 * @throws Unfit when its image never will; what the engine says
 */
export async function testExecution(sessions: PodSessions, run: string, signal: AbortSignal): Promise<void> {
  try {
    await mustEnd(sessions, run, { as: "root", script: SCRIPT, signal });
    await mustEnd(sessions, run, { as: "user", script: AS_USER, signal });
  } catch (error) {
    if (signal.aborted && (signal.reason as Error)?.name === "TimeoutError") {
      throw new Unfit("the test execution did not end in time", { cause: error });
    }
    if (!(error instanceof SessionFailure) || error.code !== "CANNOT_START") throw error;
    throw new Unfit(`nothing can be executed in it: ${error.message.slice(0, 512)}`, { cause: error });
  }
}

/** @throws Unfit unless the script ends with 0 */
async function mustEnd(
  sessions: PodSessions,
  run: string,
  { as, script, signal }: { as: "root" | "user"; script: string; signal: AbortSignal },
): Promise<void> {
  let text = "";
  const spec = { argv: ["/bin/bash", "-c", script], as, env: {}, defaultWorkdir: WORKSPACE };
  const execution = await sessions.exec(run, spec, { signal });
  // what an image has in place of these tools may never end
  const cut = () => execution.cut();
  signal.addEventListener("abort", cut, { once: true });
  let code: number;
  try {
    if (signal.aborted) cut();
    await execution.endInput();
    for await (const { data } of execution.output) if (text.length < 1024) text += data.subarray(0, 1024);
    code = await execution.exit;
  } finally {
    signal.removeEventListener("abort", cut);
  }
  if (code === 0) return;
  const why = text.trim().slice(0, 512);
  if (code === UNFIT) throw new Unfit(why);
  throw new Unfit(`the test execution as ${as} ended with ${code}${why ? `: ${why}` : ""}`);
}
