import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type JobRecord, keys, type PipelineRecord } from "#lambdas/dialects/kabuto/records.ts";
import { startCountedGround } from "#test/dialects/kabuto/support/counted-ground.ts";

/** What the console's program has of a browser. */
type Live = { followSession(forget: () => void): () => void; link: { value: string } };
type Holdings = {
  followHoldings(everyMs: number): () => void;
  EVERY_MS: number;
  holdings: { value: object[] };
};
type Others = {
  followOthers(names: readonly string[]): () => void;
  otherEdges: { value: ReadonlyMap<string, object> };
};

type Asked = { requests: number; kilobytes: number; aws: number };

const COMMANDS = 30;
/** What another API has of the user. */
const JOBS = 30;
const MINUTES = 5;
/** ms by which the clocks go on together */
const STEP = 250;

let world: Awaited<ReturnType<typeof startCountedGround>>;
let token: string;
const ids: string[] = [];
const document = Object.assign(new EventTarget(), { hidden: false });
const asked = { requests: 0, bytes: 0 };

beforeEach(async () => {
  world = await startCountedGround();
  const { app, accounts, ledger, dialects } = world.ground;
  await accounts.addEdge("em1");
  await accounts.addUser("ann", "a password of ann's");
  token = (await dialects[0]!.core.users.accessToken((await accounts.getUser("ann"))!)).token;
  const headers = { authorization: `Bearer ${token}`, prefer: "respond-async" };
  const epoch = await ledger.startAgent("em1", "j", { version: "t" });
  await ledger.heartbeat("em1", { epoch, nodes: [], usage: {}, free: 1e12 });
  for (let n = 0; n < COMMANDS; n++) {
    const answer = await app.request("/em/nodes/status", { headers });
    const { data } = (await answer.json()) as { data: { command_id: string } };
    ids.push(data.command_id);
    await app.request(`/commands/${data.command_id}/cancel`, { method: "POST", headers });
  }
  await addJobs();
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
  vi.stubGlobal("document", document);
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) =>
      key === "perigee.session" ? JSON.stringify({ user: "ann", access: token, refresh: "" }) : null,
    setItem() {},
    removeItem() {},
  });
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.requests += 1;
    const answer = await app.request(path, init);
    const body = await answer.arrayBuffer();
    asked.bytes += body.byteLength;
    return new Response(body, { status: answer.status, headers: answer.headers });
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  await world.stop();
});

async function addJobs(): Promise<void> {
  const { uid } = (await world.ground.accounts.getUser("ann"))!;
  const { records } = world.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
  const jobs = Array.from({ length: JOBS }, (_, n) => n + 1);
  const of: PipelineRecord = { id: 1, name: "p", createdAt: 1, edge: "em1", onFailure: "stop", jobs };
  await records.transact([{ put: { ...keys.object(uid, "pipeline", 1), data: of } }]);
  for (const id of jobs) {
    const data: JobRecord = {
      ...{ id, pipeline: 1, image: null, command: null, createdAt: id, token: "t" },
      ...{ maxMinutes: null, node: null },
    };
    await records.transact([{ put: { ...keys.object(uid, "job", id), data } }]);
  }
}

const turn = () => new Promise((done) => setImmediate(done));

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += STEP) {
    await vi.advanceTimersByTimeAsync(STEP);
    for (let n = 0; n < 8; n++) await turn();
  }
}

/** Requests, bytes of their answers and AWS requests, for an hour. */
async function hour(): Promise<Asked> {
  const before = { ...asked, calls: world.calls.length };
  await pass(MINUTES * 60_000);
  const scale = 60 / MINUTES;
  return {
    requests: (asked.requests - before.requests) * scale,
    kilobytes: Math.round(((asked.bytes - before.bytes) * scale) / 1000),
    aws: (world.calls.length - before.calls) * scale,
  };
}

/** For an hour, of one page and edge; docs/cost.md counts by these. */
const MOST = {
  seen: { requests: 2200, kilobytes: 11_000, aws: 3300 },
  hidden: { requests: 250, kilobytes: 850, aws: 650 },
  busy: { requests: 4900, kilobytes: 11_500, aws: 18_000 },
  /** beside that, on the screens of pods, images and files */
  holdings: { requests: 125, kilobytes: 450, aws: 750 },
  /** on the overview, of each further edge */
  others: { requests: 125, kilobytes: 105, aws: 530 },
};

test("a page that is left open where the ground does not stream asks for so much in an hour, and no more", async () => {
  const part = (name: string) =>
    import(pathToFileURL(`${import.meta.dirname}/../../console/live/${name}.ts`).href);
  const live = (await part("live")) as Live;
  const stop = live.followSession(() => {});
  await pass(5000);
  expect(live.link.value).toBe("polling");
  const seen = await hour();
  document.hidden = true;
  const hidden = await hour();
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  const headers = { authorization: `Bearer ${token}`, prefer: "respond-async" };
  await world.ground.app.request("/em/nodes/status", { headers });
  await pass(5000);
  const busy = await hour();
  stop();
  const { followHoldings, EVERY_MS, holdings: known } = (await part("holdings")) as Holdings;
  const leave = followHoldings(EVERY_MS);
  // the first look is that of the screen that opens
  await pass(1000);
  const holdings = await hour();
  leave();
  expect(known.value).toHaveLength(JOBS);
  await world.ground.accounts.addEdge("em2");
  await world.ground.accounts.grant("em2", "ann");
  const { followOthers, otherEdges } = (await part("all-edges")) as Others;
  const end = followOthers(["em2"]);
  await pass(1000);
  const others = await hour();
  end();
  expect([...otherEdges.value.keys()]).toEqual(["em2"]);
  for (const [when, asked] of Object.entries({ seen, hidden, busy, holdings, others })) {
    const most = MOST[when as keyof typeof MOST];
    for (const [what, count] of Object.entries(asked)) {
      const bound = most[what as keyof Asked];
      expect(count, `${when}: ${what}`).toBeLessThanOrEqual(bound);
      // a bound that is far from what there is bounds nothing
      expect(count, `${when}: ${what}`).toBeGreaterThan(bound / 2);
    }
  }
});
