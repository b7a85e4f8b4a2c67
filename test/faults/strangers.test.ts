import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runAgent } from "#agent/agent.ts";
import { agentConfig } from "#agent/config.ts";
import { Client } from "#test/contract/support/client.ts";
import { makeWorld, type World } from "#test/support/world.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { docker } from "./support/deployment.ts";
import { ATTEMPTS, type Names, opening, told } from "./support/strangers-attempts.ts";

let world: World;
let alice: Client;
let bob: Client;
/** what alice has, and what nobody has */
let hers: Names;
let nobodys: Names;
let stop: () => Promise<void>;

const agentData = () => join(world.data, "real");
const letters = (like: string) =>
  like.replace(/[a-z0-9]/g, () => "bcdfghjkmnpqrstvwxz"[randomBytes(1)[0]! % 19]!);

beforeAll(async () => {
  world = await makeWorld({ freeFloorBytes: 0 });
  await world.addEdge("secretedge");
  const a = await world.user("alice", ["em1", "secretedge"]);
  await world.ground.accounts.setDefaultEdge("alice", "em1");
  const b = await world.user("bob", ["em1"]);
  alice = new Client(world.url, a.token);
  bob = new Client(world.url, b.token);
  const over = new AbortController();
  const serving = Promise.withResolvers<void>();
  const agent = runAgent(
    { ground: world.url, token: world.agentToken, data: agentData(), config: undefined },
    agentConfig.parse({ publicImages: ["busybox:latest"], pollMs: 200, freeFloorBytes: 0 }),
    pino({ level: "silent" }),
    over.signal,
    () => serving.resolve(),
  );
  agent.catch(serving.reject);
  stop = async () => {
    over.abort();
    await agent;
    await cleanEngine(docker, agentData());
  };
  await serving.promise;
  hers = await possessions();
  nobodys = {
    pod: letters(hers.pod),
    volume: letters(hers.volume),
    file: letters(hers.file),
    image: letters(hers.image),
    imageId: `sha256:${randomBytes(32).toString("hex")}`,
    command: `${hers.command.slice(0, 12)}${randomBytes(7).toString("hex").toUpperCase()}`,
    upload: `${hers.upload.slice(0, 12)}${randomBytes(7).toString("hex").toUpperCase()}`,
    edge: letters(hers.edge),
    user: letters(hers.user),
  };
});
afterAll(async () => {
  await stop?.();
  await world.close();
});

/** A volume with a file, an image, a pod that runs, and a command with content, all alice's. */
async function possessions(): Promise<Names> {
  const [volume, pod, image, file] = ["vault", "probe", "tool", "secret.txt"];
  const dockerfile = "FROM busybox\nLABEL of=alice\n";
  const ok = (answer: { status: number; text: string }) =>
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  ok(await alice.uplink({ [file!]: "alice's", Dockerfile: dockerfile }, { pod_name: volume! }));
  const build = { dockerfile: "Dockerfile", context: ".", image: image!, pod_name: volume! };
  ok(await alice.form("/em/pod/image/build", build));
  const run = { image: image!, max_duration: 10, node: "MPU", pod_name: pod!, pvc_name: volume! };
  ok(await alice.form("/em/pod/run", { ...run, command: "echo alice; sleep 600" }));
  await running(alice, pod!);
  const kept = { headers: { "idempotency-key": "alices-key" } };
  ok(await alice.get("/em/files/downlink", { filepath: file!, pod_name: volume! }, kept));
  const command = (await alice.get("/commands", { limit: 1 })).json.data[0].command_id;
  const images = (await alice.get("/em/pod/image/list")).json.data;
  const opened = await opening(alice, { volume: volume!, file: file! });
  return {
    pod: pod!,
    volume: volume!,
    file: file!,
    image: image!,
    imageId: images[0].id,
    command,
    upload: opened.json.data.id,
    edge: "secretedge",
    user: "alice",
  };
}

/** Waits until the pod runs and its log has come. */
async function running(client: Client, pod_name: string): Promise<void> {
  for (const end = performance.now() + 90_000; ; await pause(50)) {
    const state = await client.get("/em/pod/status", { pod_name });
    const log = await client.get("/em/pod/logs", { pod_name });
    if (state.json.data.state.running && log.text !== "") return;
    if (performance.now() > end) throw new Error(`still ${state.text} ${log.text}`);
  }
}

/** With every name replaced by what kind of name it is, and ids, times and ages by nothing. */
function blind(text: string, names: Names): string {
  let out = text;
  for (const [kind, name] of Object.entries(names)) {
    out = out.replaceAll(name, `<${kind}>`).replaceAll(name.replace("sha256:", "").slice(0, 12), `<${kind}>`);
  }
  return out
    .replace(/01[0-9A-HJKMNP-TV-Z]{24}/g, "<id>")
    .replace(/\d{4}-\d\d-\d\d[T-][\d:.-]+Z?/g, "<time>")
    .replace(/"age":[\d.]+/g, '"age":<age>');
}

/** Routes of the EM API and of Perigee's own. */
async function routes(): Promise<string[]> {
  const answer = await fetch(`${world.url}/openapi.json`);
  type Operation = { tags?: string[] };
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      // open ones name nothing of anybody's; Kabuto's have test/dialects/kabuto/isolation.test.ts, Poseidon's
      // test/dialects/poseidon
      .filter(([, { tags }]) => !tags?.some((tag) => ["Open", "Kabuto", "Poseidon"].includes(tag)))
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
}

/** All that alice has, as it is on the edge and in the ledger. */
async function whatAliceHas(): Promise<unknown> {
  const volume = join(agentData(), "volumes/alice", hers.volume);
  return {
    file: readFileSync(join(volume, hers.file), "utf8"),
    images: (await alice.get("/em/pod/image/list")).json.data,
    tags: (await docker.getImage(hers.imageId).inspect()).RepoTags,
    volumes: (await alice.get("/em/pvc/list")).json.data,
    listing: (await alice.get("/em/files/list", { pod_name: hers.volume })).text,
    pod: (await alice.get("/em/pod/status", { pod_name: hers.pod })).json,
    log: (await alice.get("/em/pod/logs", { pod_name: hers.pod })).text,
    command: (await alice.get(`/commands/${hers.command}`)).json,
    content: (await alice.get(`/commands/${hers.command}/content`)).text,
    upload: (await alice.get(`/uplinks/${hers.upload}`)).json,
  };
}

describe("what is another user's is as if it were not there", () => {
  test("every documented route is tried", async () => {
    expect((await routes()).sort()).toEqual(Object.keys(ATTEMPTS).sort());
  });

  test.each(Object.keys(ATTEMPTS))("%s", async (route) => {
    const attempt = ATTEMPTS[route]!;
    const before = await whatAliceHas();
    expect(JSON.stringify(before)).toContain("alice's");
    const known = await attempt(bob, hers);
    const random = await attempt(bob, nobodys);
    expect(known.map((text) => blind(text, hers))).toEqual(random.map((text) => blind(text, nobodys)));
    expect(known.join()).not.toMatch(/alice's|<vault>/);
    expect(await whatAliceHas()).toEqual(before);
  });

  test.each(Object.keys(ATTEMPTS))("%s on an edge that is not his", async (route) => {
    const attempt = ATTEMPTS[route]!;
    const on = (edge: string) => ({ headers: { "perigee-edge": edge } });
    const known = await attempt(bob, nobodys, on(hers.edge));
    const random = await attempt(bob, nobodys, on(nobodys.edge));
    expect(known.map((text) => blind(text, nobodys).replaceAll(hers.edge, "<edge>"))).toEqual(
      random.map((text) => blind(text, nobodys)),
    );
    const usesEdge = route.includes(" /em/") || route.endsWith(" /edge");
    // an answer to HEAD has no body that could say which
    const refused = route.startsWith("HEAD ") ? /^(?:404|400|403) $/ : /^(?:404 .*EDGE_NOT_FOUND|400 |403 )/;
    if (usesEdge) for (const text of known) expect(text).toMatch(refused);
  });

  test("lists hold the stranger's own and nothing else", async () => {
    const seen = [
      await told(bob.get("/em/pod/image/list")),
      await told(bob.get("/em/pvc/list")),
      await told(bob.get("/edge")),
      await told(bob.get("/commands", { limit: 200, before: hers.command })),
      await told(bob.get("/metrics")),
      await told(bob.get("/openapi.json")),
    ];
    for (const name of [hers.volume, hers.pod, hers.command, hers.imageId, hers.edge, hers.user]) {
      for (const text of seen) expect(text).not.toContain(`"${name}"`);
    }
    const ids = (await bob.get("/commands", { limit: 200 })).json.data as { command_id: string }[];
    const herCommands = (await alice.get("/commands", { limit: 200 })).json.data as typeof ids;
    const own = new Set(ids.map(({ command_id }) => command_id));
    expect(herCommands.filter(({ command_id }) => own.has(command_id))).toEqual([]);
  });

  test("her Idempotency-Key means nothing when it is his", async () => {
    const kept = { headers: { "idempotency-key": "alices-key" } };
    const query = { filepath: hers.file, pod_name: hers.volume };
    expect((await bob.get("/em/files/downlink", query, kept)).status).toBe(404);
    expect((await alice.get("/em/files/downlink", query, kept)).text).toBe("alice's");
  });

  test("a busy edge tells him since when, and not with what", async () => {
    const slow = join(agentData(), "volumes/alice/slow");
    mkdirSync(slow, { recursive: true });
    writeFileSync(
      join(slow, "Dockerfile"),
      `FROM busybox\nRUN sleep 20 # ${randomBytes(4).toString("hex")}\n`,
    );
    const build = { dockerfile: "Dockerfile", context: ".", image: "slow", pod_name: "slow" };
    const call = alice.form("/em/pod/image/build", build);
    let busy: { command_id: string } | null = null;
    while (!busy) busy = (await alice.get("/edge")).json.data.busy;
    expect((await bob.get("/edge")).json.data.busy).toEqual({ since: expect.any(String) });
    const refused = await bob.get("/em/nodes/status", {}, { lockIsAnswer: true });
    expect([refused.status, refused.json.data]).toEqual([423, { since: expect.any(String) }]);
    await alice.request("POST", `/commands/${busy.command_id}/cancel`);
    expect((await call).status).toBe(409);
  });

  test("the agent's and the staging's routes are not for users, whatever they name", async () => {
    const paths = (names: Names) => [
      ["POST", "/agent/start"],
      ["POST", "/agent/claim"],
      ["POST", "/agent/report"],
      ["GET", "/agent/doorbell"],
      ["PUT", `/agent/logs?epoch=1&user=${names.user}&pod=${names.pod}&run=${names.command}&seq=0`],
      ["GET", `/staging/downlink/${names.user}/_/${names.command}/1.0`],
      ["GET", `/staging/downlink/${names.user}/_/${names.command}/1.0?expires=99999999999&max=0&signature=x`],
      ["PUT", `/staging/uplink/${names.user}/_/${names.command}/0?expires=99999999999&max=9&signature=x`],
    ];
    const tell = (names: Names) =>
      Promise.all(paths(names).map(([method, path]) => told(bob.request(method!, path!, {}))));
    const known = await tell(hers);
    expect(known.map((text) => blind(text, hers))).toEqual(
      (await tell(nobodys)).map((text) => blind(text, nobodys)),
    );
    for (const text of known) expect(text).toMatch(/^(?:401|403|404) /);
  });
});
