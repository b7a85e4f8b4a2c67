import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { failureFrom, readJson } from "../client.ts";
import { CliFailure, usage } from "../failure.ts";
import { networkFailure } from "../http/network-error.ts";
import { send } from "../http/send.ts";
import { askSecret } from "../output/ask-secret.ts";
import { action, type Session } from "../session.ts";
import { readStdin } from "../stdin.ts";

/** `perigee login` and `perigee logout`. */
export function registerLogin(program: Command): void {
  program
    .command("login")
    .description("log in; the tokens are stored for this ground, readable only by you")
    .argument("[user]", "user name (default: ask for it)")
    .option("--password-stdin", "read the password from stdin")
    .action(action<[string | undefined], { passwordStdin?: boolean }>(login));
  program
    .command("logout")
    .description("forget the tokens of this ground")
    .option("--all", "forget the tokens of every ground")
    .action(action<[], { all?: boolean }>(logout));
}

async function login(
  session: Session,
  [user]: [string | undefined],
  { passwordStdin }: { passwordStdin?: boolean },
): Promise<undefined> {
  const { url, output, credentials, signal } = session;
  if (passwordStdin && !user)
    throw usage("--password-stdin needs the user name: perigee login USER --password-stdin");
  if (!passwordStdin && !process.stdin.isTTY) {
    throw usage("there is no terminal to ask for the password", "use --password-stdin");
  }
  const { protocol, hostname } = new URL(url);
  if (protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) {
    output.notice(
      `warning: ${url} is not encrypted; others on the network can read the password and the tokens`,
    );
  }
  const username = user || (await askLine("User: ", signal));
  const password = passwordStdin
    ? await readStdin()
    : await askSecret(`Password of ${username} at ${url}: `, signal);
  if (!username || !password) throw usage("user name and password must not be empty");
  const body = Buffer.from(JSON.stringify({ username, password }));
  const headers = { "Content-Type": "application/json" };
  const answer = await send(new URL(url), { method: "POST", path: "/auth/", headers, body, signal }).catch(
    (error) => {
      throw signal.aborted ? error : networkFailure(error, url);
    },
  );
  if (answer.status !== 200) {
    const failure = await failureFrom(answer);
    if (answer.status !== 401) throw failure;
    throw new CliFailure("INVALID_CREDENTIALS", failure.message, { hint: "check user name and password" });
  }
  const { access, refresh } = await readJson(answer);
  if (typeof access !== "string" || typeof refresh !== "string") {
    throw new CliFailure("BAD_ANSWER", "the answer to the log-in has no tokens", {
      hint: "is --url the address of a Perigee ground?",
    });
  }
  await credentials.set(url, { username, access, refresh });
  const message = `Logged in as ${username} at ${url}`;
  output.result({ message, data: { username, url } }, () => message);
}

async function logout(session: Session, _: [], { all }: { all?: boolean }): Promise<undefined> {
  const { url, output, credentials } = session;
  const removed = all ? await credentials.clear() : Number(await credentials.remove(url));
  const where = all ? "everywhere" : `at ${url}`;
  const message = removed ? `Logged out ${where}` : `You were not logged in ${where}`;
  output.result({ message, data: { removed } }, () => message);
}

async function askLine(prompt: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
    return (await lines.question(prompt, { signal })).trim();
  } finally {
    lines.close();
  }
}

/** All of stdin, without the line break at its end. */
