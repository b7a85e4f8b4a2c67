import type { Command } from "commander";
import type { RegisteredLogin } from "#lambdas/operator-logins.ts";
import { PRIORITY, type PriorityBounds } from "#protocol/priority.ts";
import { CliFailure, usage } from "../failure.ts";
import { withNoted } from "../operator-audit.ts";
import { type GroundOptions, withLedger } from "../operator-data.ts";
import { wholeNumber } from "../options.ts";
import { askSecret } from "../output/ask-secret.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { readStdin } from "../stdin.ts";

type Password = GroundOptions & { password?: string; passwordStdin?: boolean };

/** `perigee user …`: the operator's verbs on users. They act on the ground's data, not over HTTP. */
export function registerUser(program: Command): void {
  const user = program
    .command("user")
    .description("operator: users of the ground in PERIGEE_DATA, or in PERIGEE_TABLE");
  const verb = (name: string, text: string) =>
    user
      .command(name)
      .description(text)
      .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
      .option("--table <name>", "the ground's table in AWS (default: PERIGEE_TABLE)");
  const withPassword = (command: Command) =>
    command
      .option(
        "--password <password>",
        "visible to others on this machine while it runs: prefer --password-stdin",
      )
      .option("--password-stdin", "read the password from stdin");
  withPassword(verb("add", "make a user; without a password one is asked for, or made up and shown once"))
    .argument("<name>", "lower-case letters and digits")
    .option("--grant <edge...>", "edges the user may use (default: the only one)")
    .action(action<[string], Password & { grant?: string[] }>(add));
  withPassword(verb("password", "set a new password; tokens made before end"))
    .argument("<name>")
    .action(action<[string], Password>(setPassword));
  verb("priority", "say which priorities a user may give commands; without options all")
    .argument("<name>")
    .option("--least <number>", "0 to 9", wholeNumber(PRIORITY.least, PRIORITY.most), PRIORITY.least)
    .option("--most <number>", "0 to 9", wholeNumber(PRIORITY.least, PRIORITY.most), PRIORITY.most)
    .action(action<[string], GroundOptions & PriorityBounds>(setPriority));
  verb(
    "operator",
    "let a user see and hold every edge over HTTP, and change plans of contact windows of the edges that are granted",
  )
    .argument("<name>")
    .option("--off", "no more")
    .action(action<[string], GroundOptions & { off?: boolean }>(setOperator));
  verb("list", "list users, the edges they may use, and who registered under which login").action(
    action<[], GroundOptions>(list),
  );
  verb("remove", "remove a user; its tokens end, its volumes and images stay on the edges")
    .argument("<name>")
    .action(action<[string], GroundOptions>(remove));
}

async function add(
  session: Session,
  [name]: [string],
  options: Password & { grant?: string[] },
): Promise<undefined> {
  const { output } = session;
  const { password, made } = await passwordOf(session, name, options);
  const deed = { verb: "user add", about: [name, ...(options.grant ?? [])] };
  await withNoted(options, true, deed, async ({ accounts, ledger, logins }) => {
    const of = await logins.account(name);
    if (of !== name) throw isLogin(name, of);
    const earlier = await ledger.commands(name, { limit: 1 });
    await accounts.addUser(name, password, options.grant ? { edges: options.grant } : {});
    const edges = (await accounts.listUsers()).find((user) => user.name === name)?.edges ?? [];
    if (earlier.length > 0) {
      output.notice(
        `notice: there was a user ${name} before: what is left of its volumes, images and commands is now this one's`,
      );
    }
    const data = { name, edges, ...(made && { password }) };
    output.result({ message: "User added", data }, () =>
      [
        `Added user ${name} (${edges.length > 0 ? `edges: ${edges.join(", ")}` : "no edge granted yet: perigee edge grant EDGE USER"})`,
        ...(made ? [`Password (shown this once): ${password}`] : []),
      ].join("\n"),
    );
  });
}

/** Refuses a name that is another account's login: a log-in with it would reach that account. */
function isLogin(name: string, of: string): CliFailure {
  return new CliFailure("ALREADY_EXISTS", `${name} is the login under which the user ${of} registered`, {
    hint: `choose another name, or remove that user first: perigee user remove ${of}`,
  });
}

async function setPassword(session: Session, [name]: [string], options: Password): Promise<undefined> {
  const { password, made } = await passwordOf(session, name, options);
  const deed = { verb: "user password", about: [name] };
  await withNoted(options, false, deed, async ({ accounts, logins }) =>
    accounts.setPassword(await logins.account(name), password),
  );
  const data = { name, ...(made && { password }) };
  session.output.result({ message: "Password set", data }, () =>
    made ? `Password of ${name} (shown this once): ${password}` : `Password of ${name} set`,
  );
}

async function setPriority(
  { output }: Session,
  [name]: [string],
  { least, most, ...ground }: GroundOptions & PriorityBounds,
): Promise<undefined> {
  if (least > most) throw usage("--least must not be over --most");
  const deed = { verb: "user priority", about: [name, `${least} to ${most}`] };
  await withNoted(ground, false, deed, async ({ accounts, logins }) =>
    accounts.setPriority(await logins.account(name), { least, most }),
  );
  const data = { name, priority: { least, most } };
  output.result(
    { message: "Priorities set", data },
    () => `${name} may give priorities from ${least} to ${most}`,
  );
}

async function setOperator(
  { output }: Session,
  [name]: [string],
  { off = false, ...ground }: GroundOptions & { off?: boolean },
): Promise<undefined> {
  const deed = { verb: "user operator", about: [name, ...(off ? ["off"] : [])] };
  await withNoted(ground, false, deed, async ({ accounts, logins }) =>
    accounts.setOperator(await logins.account(name), !off),
  );
  const message = `${name} is ${off ? "no operator any more" : "an operator"}`;
  output.result({ message, data: { name, operator: !off } }, () => message);
}

async function list({ output }: Session, _: [], ground: GroundOptions): Promise<undefined> {
  const rows = await withLedger(ground, false, async ({ accounts, logins }) =>
    Promise.all(
      (await accounts.listUsers()).map(
        async ({ name, uid, edges, defaultEdge, createdAt, priority, operator }) => {
          const registered = await logins.ofAccount(uid);
          return {
            name,
            edges,
            ...(defaultEdge && { default_edge: defaultEdge }),
            ...(priority && { priority }),
            ...(operator && { operator }),
            created_at: new Date(createdAt).toISOString(),
            registered: registered.length > 0,
            logins: registered,
          };
        },
      ),
    ),
  );
  output.result({ message: "Users", data: rows }, () =>
    output.table(
      ["USER", "EDGES", "REGISTERED AS", "CREATED"],
      rows.map((row) => [row.name, row.edges.join(", ") || "-", registeredAs(row.logins), row.created_at]),
      { cut: [1, 2] },
    ),
  );
}

function registeredAs(logins: readonly RegisteredLogin[]): string {
  const texts = logins.map(({ login, confirmed }) => (confirmed ? login : `${login} (not confirmed)`));
  return texts.join(", ") || "-";
}

async function remove({ output }: Session, [name]: [string], ground: GroundOptions): Promise<undefined> {
  const deed = { verb: "user remove", about: [name] };
  const user = await withNoted(ground, false, deed, async ({ accounts, logins }) => {
    const account = await logins.account(name);
    await accounts.removeUser(account);
    return account;
  });
  const login = user === name ? {} : { login: name };
  output.result({ message: "User removed", data: { name: user, ...login } }, () => {
    return `Removed user ${user}${user === name ? "" : `, who logged in as ${safe(name)}`}; its tokens have ended`;
  });
}

function madeUp(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(15))).toString("base64url");
}

async function passwordOf(
  { signal }: Session,
  name: string,
  options: Password,
): Promise<{ password: string; made: boolean }> {
  if (options.password !== undefined && options.passwordStdin) {
    throw usage("--password and --password-stdin exclude each other");
  }
  if (options.password !== undefined) return { password: options.password, made: false };
  if (options.passwordStdin) return { password: await readStdin(), made: false };
  if (!process.stdin.isTTY) return { password: madeUp(), made: true };
  const password = await askSecret(`Password for ${name}: `, signal);
  if (password !== (await askSecret("Once more: ", signal))) throw usage("the two passwords differ");
  return { password, made: false };
}
