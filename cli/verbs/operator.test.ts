import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { loadSecrets } from "#lambdas/auth/secrets.ts";
import { keys } from "#lambdas/dialects/kabuto/records.ts";
import { OwnRecords } from "#lambdas/dialects/own-records.ts";
import { keys as ledgerKeys } from "#lambdas/ledger/keys.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { OperatorAudit } from "#lambdas/operator/audit.ts";
import { gate, makeWorld, type World } from "#test/support/world.ts";
import { Stage } from "../testing/cli-process.ts";

/** The operator's verbs act on the data of a ground that is running meanwhile. */
describe("operator verbs", () => {
  let world: World;
  let stage: Stage;
  beforeEach(async () => {
    world = await makeWorld();
    stage = await Stage.open();
  });
  afterEach(async () => {
    await stage.close();
    await world.close();
  });
  const perigee = (args: string[], input = "") =>
    stage.run(args, { input, env: { PERIGEE_DATA: join(world.data, "ground"), PERIGEE_URL: world.url } });
  const json = async (args: string[], input = "") => {
    const { code, stdout, stderr } = await perigee([...args, "--json"], input);
    expect([code, stderr.includes(`"error"`)]).toEqual([0, false]);
    return JSON.parse(stdout) as { message: string; data: Record<string, unknown> };
  };
  const logIn = (username: string, password: string) =>
    fetch(`${world.url}/auth/`, { method: "POST", body: new URLSearchParams({ username, password }) });

  test("a user who is added can log in at once, and not any more when removed", async () => {
    const added = await json(["user", "add", "carol", "--password-stdin"], "correct horse\n");
    expect(added.data).toEqual({ name: "carol", edges: ["em1"] });
    const { access } = (await (await logIn("carol", "correct horse")).json()) as { access: string };
    const commands = () => fetch(`${world.url}/commands`, { headers: { authorization: `Bearer ${access}` } });
    expect((await commands()).status).toBe(200);
    const list = (await json(["user", "list"])).data as unknown as { name: string }[];
    expect(list.map(({ name }) => name)).toEqual(["carol"]);
    await json(["user", "remove", "carol"]);
    expect((await commands()).status).toBe(401);
    expect((await logIn("carol", "correct horse")).status).toBe(401);
  });

  test("what is changed is noted with who did it, without secrets; what only reads is not", async () => {
    await json(["user", "add", "carol", "--password-stdin"], "correct horse\n");
    await json(["edge", "hold", "em1"]);
    await json(["edge", "list"]);
    const refused = await perigee(["edge", "grant", "em1", "nobody"]);
    expect(refused.code).not.toBe(0);
    const store = new SqliteStore(join(world.data, "ground", "ledger.sqlite"));
    const noted = await new OperatorAudit(store).page({ limit: 10 });
    await store.close();
    const by = { by: "cli", who: expect.stringMatching(/^.+@.+$/) };
    expect(noted).toMatchObject([
      { ...by, verb: "edge grant", about: ["em1", "nobody"] },
      { ...by, verb: "edge hold", about: ["em1"] },
      { ...by, verb: "user add", about: ["carol"] },
    ]);
    expect(JSON.stringify(noted)).not.toContain("horse");
  });

  test("what edges offer is told, and what the rest lacks", async () => {
    const store = new SqliteStore(join(world.data, "ground", "ledger.sqlite"));
    const data = {
      providers: ["docker"],
      compilers: [
        { name: "linux-c-qemu", description: "…", missing: "its images are not there" },
        { name: "linux-go-qemu", description: "…", machines: "host" },
        { name: "baremetal-c-qemu", description: "…", machines: "emulated" },
        { name: "docker-c-docker", description: "…" },
      ],
    };
    await store.transact([{ put: { ...ledgerKeys.offer("em1"), data } }]);
    await store.close();
    const c = { edge: "em1", provider: "docker", offered: true, compiler: "docker-c-docker" };
    const lacks = { missing: "its images are not there" };
    const vm = { edge: "em1", provider: "qemu", offered: false, compiler: "linux-c-qemu", ...lacks };
    const bare = { ...vm, compiler: "baremetal-c-qemu", machines: "emulated", missing: undefined };
    const go = { ...vm, compiler: "linux-go-qemu", machines: "host", missing: undefined };
    expect((await json(["edge", "providers"])).data).toEqual([c, bare, vm, go]);
    const shown = (await perigee(["edge", "providers", "em1"])).stdout;
    expect(shown).toMatch(/em1 +docker +yes +docker-c-docker +none +nothing/);
    expect(shown).toMatch(/em1 +qemu +no +linux-c-qemu +not known +its images are not there/);
    expect(shown).toMatch(/em1 +qemu +no +linux-go-qemu +KVM +nothing/);
    expect(shown).toMatch(/em1 +qemu +no +baremetal-c-qemu +emulated +nothing/);
    expect((await perigee(["edge", "providers", "em9"])).stderr).toContain("em9");
  });

  test("a new key of tokens keeps who is logged in, and the one after it does not", async () => {
    const data = join(world.data, "ground");
    const kids = async () => (await loadSecrets(data)).tokens.map(({ kid }) => kid);
    const [first] = await kids();
    expect((await json(["secret", "rotate", "tokens"])).data).toEqual({ which: "tokens" });
    expect((await kids())[1]).toBe(first);
    await json(["secret", "rotate", "tokens"]);
    expect(await kids()).toHaveLength(2);
    expect(await kids()).not.toContain(first);
    expect((await perigee(["secret", "rotate", "all"])).code).toBe(2);
    expect((await perigee(["secret", "rotate", "seals", "--data", "/nowhere"])).code).toBe(2);
  });

  test("who registered is shown with the login, which the verbs take for the name", async () => {
    const open = await makeWorld({ settings: { PERIGEE_KABUTO_REGISTRATION: "open" } });
    try {
      const env = { PERIGEE_DATA: join(open.data, "ground"), PERIGEE_URL: open.url };
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await stage.run([...args, "--json"], { env, input: "another one" });
        expect([code, stderr]).toEqual([0, ""]);
        return JSON.parse(stdout) as { data: Record<string, unknown> & Record<string, unknown>[] };
      };
      const register = async (login: string): Promise<{ token: string }> => {
        const body = new URLSearchParams({ login, password: "SecreT", email: `${login}@example.com` });
        return (await fetch(`${open.url}/register`, { method: "POST", body })).json() as Promise<{
          token: string;
        }>;
      };
      const { token } = await register("me");
      await fetch(`${open.url}/register/confirm/me/${token}`);
      await register("Ada L.");
      await run("user", "add", "carol", "--password-stdin");

      const users = (await run("user", "list")).data;
      const named = (login: string) =>
        users.find(({ logins }) => (logins as { login: string }[])[0]?.login === login);
      expect(named("me")).toMatchObject({
        name: "me",
        registered: true,
        logins: [{ dialect: "kabuto", login: "me", confirmed: true }],
      });
      const ada = named("Ada L.")!;
      expect(ada).toMatchObject({ registered: true, logins: [{ confirmed: false }] });
      expect(users.find(({ name }) => name === "carol")).toMatchObject({ registered: false, logins: [] });
      const { stdout } = await stage.run(["user", "list"], { env });
      expect(stdout).toMatch(/Ada L\. \(not confirmed\)/);

      // a name that is somebody's login would lead to that account
      const store = new SqliteStore(join(open.data, "ground", "ledger.sqlite"));
      const records = new OwnRecords(store, "kabuto");
      const { uid } = (await new Accounts(store).getUser(ada.name as string))!;
      await records.transact([{ put: { ...keys.login("erin"), data: { user: ada.name, uid } } }]);
      await store.close();
      const taken = await stage.run(["user", "add", "erin", "--password-stdin"], {
        env,
        input: "another one",
      });
      expect([taken.code, taken.stderr]).toEqual([
        1,
        expect.stringContaining("erin is the login under which"),
      ]);

      await run("edge", "default", "em1", "Ada L.");
      await run("user", "password", "Ada L.", "--password-stdin");
      const body = new URLSearchParams({ login: "Ada L.", password: "another one" });
      expect((await fetch(`${open.url}/login`, { method: "POST", body })).status).toBe(200);
      expect((await run("user", "remove", "Ada L.")).data).toEqual({ name: ada.name, login: "Ada L." });
      expect((await run("user", "list")).data.map(({ name }) => name)).toEqual(["carol", "me"]);
      // gone, whatever is left of it until the janitor's round
      expect((await stage.run(["user", "remove", "Ada L."], { env })).code).toBe(4);
    } finally {
      await open.close();
    }
  });

  test("without a password and a terminal one is made up and shown once; a new one ends the old", async () => {
    const { password } = (await json(["user", "add", "dave"])).data as { password: string };
    expect((await logIn("dave", password)).status).toBe(200);
    await json(["user", "password", "dave", "--password-stdin"], "another one");
    expect((await logIn("dave", password)).status).toBe(401);
    expect((await logIn("dave", "another one")).status).toBe(200);
  });

  test("what cannot be is refused with its code, and changes nothing", async () => {
    for (const [args, exit, code] of [
      [["user", "add", "Carol", "--password", "long enough"], 2, "INVALID_PARAMETERS"],
      [["user", "add", "carol", "--password", "short"], 2, "INVALID_PARAMETERS"],
      [["user", "add", "carol", "--password", "a", "--password-stdin"], 2, "USAGE"],
      [["user", "remove", "nobody"], 4, "USER_NOT_FOUND"],
      [["edge", "grant", "em9", "carol"], 4, "EDGE_NOT_FOUND"],
      [["edge", "reset", "em9"], 4, "EDGE_NOT_FOUND"],
      [["edge", "add", "em1"], 1, "ALREADY_EXISTS"],
    ] as const) {
      const ended = await perigee([...args, "--json"]);
      expect([args, ended.code, JSON.parse(ended.stderr).error]).toEqual([args, exit, code]);
    }
    expect((await json(["user", "list"])).data).toEqual([]);
    const nowhere = await stage.run(["user", "list"], { env: { PERIGEE_DATA: join(stage.dir, "none") } });
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining("there is no ground in")]);
  });

  test("edges are added with a token that is shown once or kept in a private file", async () => {
    const file = join(stage.dir, "em2.token");
    await writeFile(file, "old", { mode: 0o644 });
    const added = await json(["edge", "add", "em2", "--token-file", file]);
    expect(added.data).toEqual({ edge: "em2", token_file: file });
    const token = (await readFile(file, "utf8")).trim();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const start = (bearer: string) =>
      fetch(`${world.url}/agent/start`, {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ journal: "j", version: "test" }),
      });
    expect(await (await start(token)).json()).toMatchObject({ edge: "em2" });
    const renewed = (await json(["edge", "token", "em2"])).data as { token: string };
    expect([(await start(token)).status, (await start(renewed.token)).status]).toEqual([401, 200]);
  });

  test("grants decide which edges a user has, and the default which one is meant", async () => {
    const alice = await world.user("alice");
    const edge = async () => {
      const answer = await alice.fetch("/edge");
      return answer.status === 200
        ? ((await answer.json()) as { data: { edge: string } }).data.edge
        : answer.status;
    };
    expect(await edge()).toBe("em1");
    await json(["edge", "add", "em2"]);
    await json(["edge", "grant", "em2", "alice"]);
    expect(await edge()).toBe(400);
    await json(["edge", "default", "em2", "alice"]);
    expect(await edge()).toBe("em2");
    await json(["edge", "revoke", "em2", "alice"]);
    expect(await edge()).toBe("em1");
  });

  test("publish goes to the edge as a command, and tells its end", async () => {
    const published: string[] = [];
    await world.agent(
      {
        "edge.publish": async ({ input }) => {
          published.push(input.image);
          return {};
        },
      },
      { pollMs: 100 },
    );
    await json(["edge", "publish", "busybox:latest"]);
    await json(["edge", "publish", "em1", "alpine"]);
    expect(published).toEqual(["busybox:latest", "alpine"]);
  });

  test("reset gives up what holds the edge, and the list shows it", async () => {
    const alice = await world.user("alice");
    const reached = gate();
    const hold = gate();
    await world.agent({
      "file.delete": async () => {
        reached.open();
        await hold.passed;
        return {};
      },
    });
    const call = alice.fetch("/em/files/delete", {
      method: "POST",
      body: new URLSearchParams({ filepath: "x" }),
    });
    await reached.passed;
    const [edge] = (await json(["edge", "list"])).data as unknown as {
      busy: { operation: string; user: string };
    }[];
    expect(edge?.busy).toMatchObject({ operation: "file.delete", user: "alice" });
    expect((await json(["edge", "reset", "em1"])).data).toMatchObject({ state: "failed" });
    expect(await (await call).json()).toMatchObject({ error: "INTERRUPTED" });
    expect((await json(["edge", "reset", "em1"])).message).toContain("Nothing");
    hold.open();
  });

  test("reset reaches every lane, and the list shows each", async () => {
    await world.user("bob");
    const { ledger } = world.ground;
    const jobs = new Ledger(world.ground.store, {
      lanes: [{ name: "jobs", width: 2, order: "first-come", bounds: { queuePerEdge: 9, queuePerUser: 9 } }],
    });
    const epoch = await jobs.startAgent("em1", "journal", { version: "t", features: ["lanes"] });
    const draft = { user: "bob", edge: "em1", lane: "jobs", operation: "nodes.status", input: {} } as const;
    for (let i = 0; i < 3; i++) await jobs.submit(draft, "queue");
    const { commands } = await jobs.claimMany("em1", { epoch, turn: 1, room: { jobs: 2 } });
    expect(commands).toHaveLength(2);
    const [edge] = (await json(["edge", "list"])).data as unknown as { lanes: { name: string }[] }[];
    expect(edge?.lanes).toContainEqual({ name: "jobs", running: 2, queued: 1, held: false });
    const reset = (await json(["edge", "reset", "em1"])).data as unknown as {
      commands: { command_id: string; state: string }[];
    };
    expect(reset.commands.map(({ command_id }) => command_id).sort()).toEqual(
      commands.map(({ id }) => id).sort(),
    );
    for (const { id } of commands) expect((await ledger.command("bob", id)).state).toBe("failed");
  });

  test("server and agent run as verbs and stop cleanly on SIGTERM", async () => {
    const data = join(stage.dir, "data");
    const token = join(stage.dir, "token");
    await stage.run(["edge", "add", "em1", "--data", data, "--token-file", token]);
    const server = stage.start(["server", "--data", data, "--port", "0"]);
    await server.shows('"msg":"ready"');
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
    const agent = stage.start(["agent", "--ground", world.url, "--data", join(stage.dir, "agent")], {
      env: { PERIGEE_AGENT_TOKEN_FILE: join(stage.dir, "none") },
    });
    expect((await agent.ended).code).toBe(1);
  });
});
