import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runAgent } from "#agent/agent.ts";
import { agentConfig } from "#agent/config.ts";
import { Client, type RequestOptions } from "#test/contract/support/client.ts";
import { makeWorld, type World } from "#test/support/world.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { docker } from "./support/deployment.ts";

/** What somebody may try to name. */
type Names = {
  pod: string;
  volume: string;
  file: string;
  image: string;
  imageId: string;
  command: string;
  /** an uplink in parts that is under way */
  upload: string;
  edge: string;
  user: string;
};

/** One try of a stranger's: every answer it gets, as text. */
type Attempt = (client: Client, names: Names, options?: RequestOptions) => Promise<string[]>;

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

/** Opens an uplink in parts of one byte. */
const opening = (
  client: Client,
  { volume, file }: Pick<Names, "volume" | "file">,
  options: RequestOptions = {},
) =>
  client.json(
    "/uplinks",
    {
      pod_name: volume,
      files: [{ path: file, size: 1, checksum: "d24ec4f1a98c6e5b", crc32: ["e8b7be43"] }],
    },
    options,
  );

/** Waits until the pod runs and its log has come. */
async function running(client: Client, pod_name: string): Promise<void> {
  for (const end = performance.now() + 90_000; ; await pause(50)) {
    const state = await client.get("/em/pod/status", { pod_name });
    const log = await client.get("/em/pod/logs", { pod_name });
    if (state.json.data.state.running && log.text !== "") return;
    if (performance.now() > end) throw new Error(`still ${state.text} ${log.text}`);
  }
}

/** Status and body, which is all that a stranger gets to see. */
async function told(answer: Promise<{ status: number; text: string }>): Promise<string> {
  const { status, text } = await answer;
  return `${status} ${text}`;
}

const getting =
  (path: string, query: (names: Names) => Record<string, string>): Attempt =>
  async (client, names, options) => [await told(client.get(path, query(names), options))];
const posting =
  (path: string, ...fields: ((names: Names) => Record<string, string>)[]): Attempt =>
  async (client, names, options) => {
    const answers: string[] = [];
    for (const one of fields) answers.push(await told(client.form(path, one(names), options)));
    return answers;
  };
/** Reading routes answer POST as they answer GET. */
const both = (path: string, query: (names: Names) => Record<string, string>) => ({
  [`GET ${path}`]: getting(path, query),
  [`POST ${path}`]: posting(path, query),
});

/** What names the image of a user to somebody who guesses. */
const spellings = ({ image, imageId, user }: Names) => [
  image,
  `${user}-${image}`,
  `${user}-${image}:latest`,
  imageId,
  imageId.slice("sha256:".length, "sha256:".length + 12),
];

function downlinking(method: "GET" | "HEAD"): Attempt {
  return async (client, { volume, file, user }, options) => {
    const queries: Record<string, string>[] = [
      { filepath: file, pod_name: volume },
      { filepath: `../${volume}/${file}` },
      { filepath: `../../${user}/${volume}/${file}` },
      { filepath: `/${user}/${volume}/${file}` },
    ];
    const out: string[] = [];
    for (const query of queries) {
      const path = `/em/files/downlink?${new URLSearchParams(query)}`;
      out.push(await told(client.request(method, path, options)));
    }
    return out;
  };
}

/** Every route behind a token or a log-in, tried with somebody else's names. One that is missing here fails the first test. */
const ATTEMPTS: Record<string, Attempt> = {
  "POST /auth/": posting("/auth/", ({ user }) => ({ username: user, password: "a guess" })),
  "POST /auth/refresh": posting("/auth/refresh", ({ user }) => ({ refresh: user })),
  ...both("/em/files/list", ({ volume }) => ({ pod_name: volume })),
  "GET /em/files/downlink": downlinking("GET"),
  "HEAD /em/files/downlink": downlinking("HEAD"),
  "POST /em/files/delete": posting(
    "/em/files/delete",
    ({ volume, file }) => ({ filepath: file, pod_name: volume }),
    ({ volume, file, user }) => ({ filepath: `../../${user}/${volume}/${file}` }),
  ),
  "POST /em/pod/image/build": async (client, names, options) => {
    const { volume, user } = names;
    const direct: Record<string, string>[] = [
      { dockerfile: "Dockerfile", context: ".", image: "mine", pod_name: volume },
      { dockerfile: "Dockerfile", context: `../../${user}/${volume}`, image: "mine" },
      { dockerfile: `../../${user}/${volume}/Dockerfile`, context: ".", image: "mine" },
    ];
    const out: string[] = [];
    for (const fields of direct) out.push(await told(client.form("/em/pod/image/build", fields, options)));
    for (const spelling of spellings(names)) {
      for (const text of [`FROM ${spelling}\n`, `FROM busybox\nCOPY --from=${spelling} / /\n`]) {
        await client.uplink({ Dockerfile: text }, { pod_name: "own" });
        const fields = { dockerfile: "Dockerfile", context: ".", image: "mine", pod_name: "own" };
        out.push(await told(client.form("/em/pod/image/build", fields, options)));
      }
    }
    return out;
  },
  "POST /em/pod/image/load": posting(
    "/em/pod/image/load",
    ({ volume, file, image }) => ({ tarfile: file, image, pod_name: volume }),
    ({ volume, file, image, user }) => ({ tarfile: `../../${user}/${volume}/${file}`, image }),
  ),
  ...both("/em/pod/image/list", () => ({})),
  "POST /em/pod/image/delete": async (client, names, options) => {
    const out: string[] = [];
    for (const image of spellings(names)) {
      out.push(await told(client.form("/em/pod/image/delete", { image }, options)));
    }
    return out;
  },
  "POST /em/pod/run": async (client, names, options) => {
    const out: string[] = [];
    for (const image of spellings(names)) {
      const fields = { image, max_duration: 1, node: "MPU", pod_name: "guess" };
      out.push(await told(client.form("/em/pod/run", fields, options)));
      if (!out.at(-1)!.startsWith("200")) continue;
      let state: string;
      do state = await told(client.get("/em/pod/status", { pod_name: "guess" }));
      while (state.includes("ContainerCreating"));
      out.push(state, await told(client.form("/em/pod/stop", { pod_name: "guess" })));
    }
    return out;
  },
  ...both("/em/pod/status", ({ pod }) => ({ pod_name: pod })),
  "POST /em/pod/stop": posting("/em/pod/stop", ({ pod }) => ({ pod_name: pod })),
  "GET /em/pod/logs": async (client, { pod }, options) => [
    await told(client.get("/em/pod/logs", { pod_name: pod }, options)),
    await told(client.get("/em/pod/logs", { pod_name: pod, previous: true }, options)),
    await told(client.get("/em/pod/logs", { pod_name: pod, follow: true }, options)),
  ],
  ...both("/em/nodes/status", () => ({})),
  ...both("/em/pvc/list", () => ({})),
  "POST /em/pvc/delete": posting("/em/pvc/delete", ({ volume }) => ({ pvc_name: volume })),
  "POST /pods/{pod}/exec": async (client, { pod }, options) => [
    await told(client.json(`/pods/${pod}/exec`, { command: ["cat", "/data/secret.txt"] }, options)),
  ],
  "POST /runners/{id}/exec": async (client, { command }, options) => [
    await told(client.json(`/runners/${command}/exec`, {}, options)),
  ],
  "GET /runners": getting("/runners", () => ({})),
  "GET /sessions": getting("/sessions", () => ({})),
  "GET /commands": getting("/commands", ({ command }) => ({ before: command })),
  "GET /commands/{id}": async (client, { command }, options) => [
    await told(client.get(`/commands/${command}`, {}, options)),
    await told(client.get(`/commands/${command}`, { wait: 1 }, options)),
  ],
  "GET /commands/{id}/content": async (client, { command }, options) => [
    await told(client.get(`/commands/${command}/content`, {}, options)),
  ],
  "GET /commands/{id}/log": async (client, { command }, options) => [
    await told(client.get(`/commands/${command}/log`, {}, options)),
  ],
  "DELETE /commands/{id}/content": async (client, { command }, options) => [
    await told(client.request("DELETE", `/commands/${command}/content`, options)),
  ],
  "POST /commands/{id}/cancel": async (client, { command }, options) => [
    await told(client.request("POST", `/commands/${command}/cancel`, options)),
  ],
  "POST /commands/{id}/hold": async (client, { command }, options) => [
    await told(client.request("POST", `/commands/${command}/hold`, options)),
  ],
  "POST /commands/{id}/release": async (client, { command }, options) => [
    await told(client.request("POST", `/commands/${command}/release`, options)),
  ],
  "GET /uplinks/{id}": async (client, { upload }, options) => [
    await told(client.get(`/uplinks/${upload}`, {}, options)),
  ],
  "POST /uplinks/{id}/parts": async (client, { upload }, options) => [
    await told(client.json(`/uplinks/${upload}/parts`, {}, options)),
  ],
  "POST /uplinks/{id}/complete": async (client, { upload }, options) => [
    await told(client.request("POST", `/uplinks/${upload}/complete`, options)),
  ],
  "GET /edge": async (client, _, options) => {
    const answer = await client.get("/edge", {}, options);
    if (answer.status !== 200) return [`${answer.status} ${answer.text}`];
    return [JSON.stringify(answer.json.data.pods.map(({ pod_name }: { pod_name: string }) => pod_name))];
  },
  "POST /uplinks/base": async (client, { volume, file }, options) => {
    const { status, text, json } = await client.json(
      "/uplinks/base",
      { pod_name: volume, filepath: file },
      options,
    );
    if (status !== 202) return [`${status} ${text}`];
    const ended = await client.get(`/commands/${json.data.command_id}`, { wait: 30 });
    return [`${status}`, `${ended.json.data.state} ${JSON.stringify(ended.json.data.error)}`];
  },
  "GET /edges": getting("/edges", () => ({})),
  "GET /edges/{edge}/windows": async (client, { edge }, options) => [
    await told(client.get(`/edges/${edge}/windows`, {}, options)),
  ],
  "PUT /edges/{edge}/windows": async (client, { edge }, options) => [
    await told(client.request("PUT", `/edges/${edge}/windows`, { ...options, body: "[]" })),
  ],
  "POST /uplinks": async (client, { volume, file, user }, options) => {
    const own = await opening(client, { volume, file }, options);
    const out = [await told(opening(client, { volume, file: `../../${user}/${volume}/${file}` }, options))];
    // his own of that name is his own: it goes again
    if (own.status !== 201) return [...out, `${own.status} ${own.text}`];
    const cancelled = await client.request("POST", `/commands/${own.json.data.id}/cancel`, options);
    return [...out, `${cancelled.status}`];
  },
  // last: from here on the stranger has a volume of that name too, which is his own
  "POST /em/files/uplink": async (client, { volume, file, user }, options) => [
    await told(client.uplink({ [file]: "bob's" }, { pod_name: volume }, options)),
    await told(client.uplink({ x: "bob's" }, { dest_path: `../../${user}/${volume}` }, options)),
    await told(client.get("/em/files/downlink", { filepath: file, pod_name: volume }, options)),
    await told(client.form("/em/pvc/delete", { pvc_name: volume }, options)),
  ],
};

/** With every name replaced by what kind of name it is, and ids and times by nothing. */
function blind(text: string, names: Names): string {
  let out = text;
  for (const [kind, name] of Object.entries(names)) {
    out = out.replaceAll(name, `<${kind}>`).replaceAll(name.replace("sha256:", "").slice(0, 12), `<${kind}>`);
  }
  return out.replace(/01[0-9A-HJKMNP-TV-Z]{24}/g, "<id>").replace(/\d{4}-\d\d-\d\d[T-][\d:.-]+Z?/g, "<time>");
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
