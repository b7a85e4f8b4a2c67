import { chmodSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { CliFailure } from "../failure.ts";
import { withNoted } from "../operator-audit.ts";
import { type GroundOptions, withLedger } from "../operator-data.ts";
import { action, type Session } from "../session.ts";

const DIALECT = "poseidon";

type AddOptions = GroundOptions & { user: string; edge?: string; tokenFile?: string };

/** `perigee poseidon token add|list|remove`: the operator's verbs on the tokens of Poseidon's API. */
export function registerPoseidon(program: Command): void {
  const token = program
    .command("poseidon")
    .description("operator: Poseidon's API (docs/poseidon.md)")
    .command("token")
    .description("operator: tokens of its clients");
  const verb = (name: string, text: string) =>
    token
      .command(name)
      .description(`operator: ${text}`)
      .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
      .option("--table <name>", "the ground's table in AWS (default: PERIGEE_TABLE)");
  verb("add", "make a token, which acts as a user; it is shown this once")
    .argument("<name>")
    .requiredOption("--user <user>", "who its requests act as")
    .option("--edge <edge>", "the edge that its requests mean (default: the user's)")
    .option("--token-file <file>", "write the token there (mode 0600) instead of showing it")
    .action(action<[string], AddOptions>(add));
  verb("list", "list tokens").action(action<[], GroundOptions>(list));
  verb("remove", "end a token").argument("<name>").action(action<[string], GroundOptions>(remove));
}

async function add(
  { output }: Session,
  [name]: [string],
  { user, edge, tokenFile, ...ground }: AddOptions,
): Promise<undefined> {
  const deed = { verb: "poseidon token add", about: [name, user] };
  const token = await withNoted(ground, false, deed, async ({ accounts, logins, tokens }) => {
    const account = await accounts.getUser(await logins.account(user));
    if (!account) throw new CliFailure("USER_NOT_FOUND", `There is no user ${user}`);
    if (edge !== undefined) await accounts.edgeOf(account, edge);
    const of = { name, user: account.name, uid: account.uid, createdAt: Date.now() };
    return tokens(DIALECT).add({ ...of, ...(edge !== undefined && { edge }) });
  });
  if (tokenFile) {
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    // A file that was there keeps its mode.
    chmodSync(tokenFile, 0o600);
  }
  const shown = tokenFile ? { token_file: tokenFile } : { token };
  const data = { name, user, edge: edge ?? null, ...shown };
  output.result({ message: "Token made", data }, () =>
    tokenFile ? `Token ${name}: in ${tokenFile}` : `Token ${name} (shown this once): ${token}`,
  );
}

async function list({ output }: Session, _: [], ground: GroundOptions): Promise<undefined> {
  const all = await withLedger(ground, false, ({ tokens }) => tokens(DIALECT).list());
  const data = all.map(({ name, user, edge, createdAt }) => ({
    name,
    user,
    edge: edge ?? null,
    created_at: new Date(createdAt).toISOString(),
  }));
  output.result({ message: "Tokens", data }, () =>
    output.table(
      ["NAME", "USER", "EDGE", "CREATED"],
      data.map((one) => [one.name, one.user, one.edge, one.created_at]),
    ),
  );
}

async function remove({ output }: Session, [name]: [string], ground: GroundOptions): Promise<undefined> {
  const deed = { verb: "poseidon token remove", about: [name] };
  const there = await withNoted(ground, false, deed, ({ tokens }) => tokens(DIALECT).remove(name));
  if (!there) throw new CliFailure("TOKEN_NOT_FOUND", `There is no token ${name}`);
  output.result({ message: "Token removed", data: { name } }, () => `Removed token ${name}`);
}
