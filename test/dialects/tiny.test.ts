import { createHmac } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { basic, startTinyGround, type TinyGround } from "./support/tiny-ground.ts";

let tiny: TinyGround;
beforeAll(async () => {
  tiny = await startTinyGround({ publicHosts: ["ground.example:8443"] });
});
afterAll(() => tiny.stop());

/** A request whose target and Host are sent as they are written here. */
function raw(
  target: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  const { method = "GET", headers = {}, body } = options;
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const { hostname, port } = new URL(tiny.url);
    const sent = request({ hostname, port, path: target, method, headers }, async (answer) =>
      resolve({ status: answer.statusCode!, body: await text(answer) }),
    );
    sent.once("error", reject).end(body);
  });
}

describe("authentication", () => {
  test("who sends nothing gets the dialect's own answer", async () => {
    const answer = await fetch(`${tiny.url}/tiny/jobs`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Basic realm="tiny"');
    expect(await answer.text()).toBe("who?");
  });

  test("a wrong password is refused in its error shape, and slowed as a log-in is", async () => {
    const wrong = (password: string) =>
      fetch(`${tiny.url}/tiny/jobs`, { headers: { authorization: basic("zoe", password) } });
    const answer = await wrong("no");
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      fault: { code: "INVALID_CREDENTIALS", text: "User name or password is wrong", at: "/tiny/jobs" },
    });
    const codes = new Set<string>();
    for (let i = 0; i < 6; i++) codes.add(((await (await wrong(`no ${i}`)).json()) as Fault).fault.code);
    expect(codes).toContain("TOO_MANY_ATTEMPTS");
  });

  test("its credentials open nothing else, and a token of others opens nothing of it", async () => {
    for (const path of ["/em/nodes/status", "/commands", "/edge"]) {
      expect((await tiny.as("ada")(path)).status).toBe(401);
    }
    const bearer = { authorization: `Bearer ${await tiny.token("ada")}` };
    expect((await fetch(`${tiny.url}/edge`, { headers: bearer })).status).toBe(200);
    expect((await fetch(`${tiny.url}/tiny/jobs`, { headers: bearer })).status).toBe(401);
  });
});

type Fault = { fault: { code: string; text: string } };

describe("paths", () => {
  test("what is not there is answered by the dialect, before anybody is asked who they are", async () => {
    for (const [method, path, body] of [
      ["GET", "/tiny/nothing", "nothing is here"],
      ["GET", "/tiny", "nothing is here"],
      ["DELETE", "/tiny/jobs", "only GET, POST"],
      ["GET", "//tiny/hello", "nothing is here"],
      ["GET", "/tiny/hello/", "nothing is here"],
    ]) {
      const answer = await raw(path!, { method: method! });
      expect(answer, path).toEqual({ status: 418, body });
    }
  });

  test("beside it slashes are folded, and what is not there is Perigee's own 404", async () => {
    expect(JSON.parse((await raw("//healthz/")).body)).toMatchObject({ status: "ok" });
    expect(JSON.parse((await raw("/tin/y")).body)).toMatchObject({ error: "NOT_FOUND" });
    expect(JSON.parse((await raw("//em//nodes/status/")).body)).toMatchObject({ error: "UNAUTHORIZED" });
  });

  test("our own faults are worded by it, and tell nothing of the inside", async () => {
    const answer = await tiny.as("ada")("/tiny/fault");
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({
      fault: { code: "INTERNAL_ERROR", text: "Internal error", at: "/tiny/fault" },
    });
  });

  test("it knows its hosts, for its links and to refuse others, and its settings", async () => {
    expect((await raw("/tiny/hello", { headers: { host: "elsewhere.example" } })).status).toBe(403);
    const known = await raw("/tiny/hello", { headers: { host: "Ground.example:8443" } });
    expect(JSON.parse(known.body)).toEqual({
      greeting: "good day",
      self: "http://ground.example:8443/tiny/hello",
    });
  });

  test("target and body are there as they were sent, and the body can be read again", async () => {
    const target = "/tiny/signed/x/../a//b?x=%41&x";
    const body = "some text";
    const sign = (of: string) => createHmac("sha256", "key").update(`${of}\n${body}`).digest("hex");
    const headers = { authorization: basic("ada"), signature: sign(target) };
    expect(await raw(target, { method: "POST", headers, body })).toEqual({ status: 200, body });
    const other = { ...headers, signature: sign("/tiny/signed/a//b?x=A&x") };
    expect((await raw(target, { method: "POST", headers: other, body })).status).toBe(403);
  });
});

describe("jobs", () => {
  test("a lane of its own runs eight at a time, users in turns, while the EM's is free", async () => {
    for (const [user, count] of [
      ["ada", 9],
      ["bob", 3],
    ] as const) {
      for (let i = 1; i <= count; i++) {
        const answer = await tiny.as(user)("/tiny/jobs", { method: "POST" });
        expect(answer.status).toBe(201);
        // whole numbers for each user, written together with the command
        expect(await answer.json()).toMatchObject({ number: i, state: "waiting" });
      }
    }
    const agent = await tiny.startAgent();
    const { commands, lanes } = await agent.claim({ tiny: 100, em: 1 });
    expect(lanes).toMatchObject({ tiny: 8, em: 1 });
    expect(commands.map(({ lane }) => lane)).toEqual(Array(8).fill("tiny"));
    const users = commands.map(({ user }) => user);
    expect(users.slice(0, 6).sort()).toEqual(["ada", "ada", "ada", "bob", "bob", "bob"]);
    expect(users.slice(6)).toEqual(["ada", "ada"]);
    const have = commands.map(({ id }) => id);
    expect((await agent.claim({ tiny: 100 }, have)).commands).toEqual([]);
    // the EM takes its lock as if nobody were there
    const bearer = { authorization: `Bearer ${await tiny.token("bob")}`, prefer: "wait=0" };
    expect((await fetch(`${tiny.url}/em/files/list`, { headers: bearer })).status).toBe(202);
    expect((await agent.claim({ em: 1 }, have)).commands).toMatchObject([{ lane: "em" }]);
    const [first] = commands;
    expect(await agent.report(first!)).toBe(200);
    const jobs = (await (await tiny.as(first!.user)("/tiny/jobs")).json()) as {
      command: string;
      state: string;
    }[];
    expect(jobs.find(({ command }) => command === first!.id)).toMatchObject({ state: "succeeded" });
    const [next] = (await agent.claim({ tiny: 100 }, have)).commands;
    expect(next).toMatchObject({ user: "ada", lane: "tiny" });
    expect(await (await tiny.as("ada")(`/tiny/jobs/${next!.id}`)).json()).toEqual({
      state: "running",
      lane: "tiny",
    });
    // nobody else's
    const answer = await tiny.as("bob")(`/tiny/jobs/${next!.id}`);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as Fault).fault.code).toBe("COMMAND_NOT_FOUND");
  });

  test("a refused submit writes nothing of its records", async () => {
    const jobs = async () => (await (await tiny.as("bob")("/tiny/jobs")).json()) as unknown[];
    for (let i = 0; i < 30; i++) {
      const before = (await jobs()).length;
      const answer = await tiny.as("bob")("/tiny/jobs", { method: "POST" });
      if (answer.status === 201) continue;
      expect(((await answer.json()) as Fault).fault.code).toBe("QUEUE_FULL");
      expect(await jobs()).toHaveLength(before);
      return;
    }
    expect.unreachable("the lane's bounds were never met");
  });

  test("a cancelled one ends in its record too", async () => {
    const [job] = (
      (await (await tiny.as("bob")("/tiny/jobs")).json()) as { command: string; state: string }[]
    )
      .filter(({ state }) => state === "waiting")
      .reverse();
    const cancelled = await tiny.as("bob")(`/tiny/jobs/${job!.command}`, { method: "DELETE" });
    expect(await cancelled.json()).toEqual({ state: "cancelled" });
    const jobs = (await (await tiny.as("bob")("/tiny/jobs")).json()) as { command: string }[];
    expect(jobs.find(({ command }) => command === job!.command)).toMatchObject({ state: "cancelled" });
  });

  test("only so many of its requests are open at once, whatever else the user has open", async () => {
    const hold = () => {
      const socket = connect({ host: "127.0.0.1", port: Number(new URL(tiny.url).port) });
      socket.write(
        `PUT /tiny/notes/slow HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic("ada")}\r\nContent-Length: 5\r\n\r\nab`,
      );
      return socket;
    };
    const held = [hold(), hold()];
    const refused = async () => {
      const answer = await tiny.as("ada")("/tiny/jobs");
      return answer.status === 400 ? ((await answer.json()) as Fault).fault.code : "none";
    };
    await expect.poll(refused, { timeout: 30_000 }).toBe("TOO_MANY_REQUESTS");
    // its own time for a body that stands still cuts them
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.resume().once("close", resolve))));
    await expect.poll(refused, { timeout: 30_000 }).toBe("none");
  });
});

describe("what it has beside its routes", () => {
  test("a listener of its own, with its routes at the root", async () => {
    expect(Object.keys(tiny.listeners)).toEqual(["tiny"]);
    const answer = await fetch(`${tiny.listeners.tiny}/hello`);
    expect(await answer.json()).toEqual({ greeting: "good day" });
    expect((await fetch(`${tiny.listeners.tiny}/healthz`)).status).toBe(404);
  });

  test("an upgrade is its own; any other request to upgrade is a plain one", async () => {
    const { port } = new URL(tiny.url);
    const headers = { connection: "Upgrade", upgrade: "tiny" };
    const said = await new Promise<string>((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, path: "/tiny/talk", headers });
      sent.once("error", reject).once("upgrade", (_answer, socket, head) => {
        let all = String(head);
        const heard = () => {
          if (all.includes("\n") && !all.includes("HELLO")) socket.write("hello");
          if (all.includes("HELLO")) {
            socket.destroy();
            resolve(all);
          }
        };
        socket.on("data", (data: Buffer) => {
          all += data;
          heard();
        });
        heard();
      });
      sent.end();
    });
    expect(said).toBe("good day\nHELLO");
    const plain = await raw("/healthz", {
      headers: { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c" },
    });
    expect(plain.status).toBe(200);
  });

  test("routes for the agent, behind the agent's token", async () => {
    expect(await (await tiny.agent("dialects/tiny/note", { a: 1 })).json()).toEqual({ noted: "em1" });
    expect((await tiny.core.records.get({ pk: "agent", sk: "em1" }))?.data).toEqual({ a: 1 });
    const stranger = await fetch(`${tiny.url}/agent/dialects/tiny/note`, { method: "POST" });
    expect(stranger.status).toBe(401);
  });

  test("a part of the janitor's round, and background work while the server serves", async () => {
    await tiny.ground.janitor.round();
    expect(await tiny.core.records.get({ pk: "rounds", sk: "last" })).toBeDefined();
    await expect
      .poll(() => tiny.core.records.get({ pk: "background", sk: "started" }), { timeout: 30_000 })
      .toBeDefined();
  });

  test("records that nobody else's key reaches", async () => {
    await tiny.core.records.transact([{ put: { pk: "users", sk: "eve", data: {} } }]);
    expect(await tiny.ground.accounts.getUser("eve")).toBeUndefined();
    expect(await tiny.core.records.get({ pk: "users", sk: "ada" })).toBeUndefined();
    expect(await tiny.ground.store.get({ pk: "tiny#users", sk: "eve" })).toBeDefined();
  });

  test("its part of the document, without links to what is not there", async () => {
    const document = (await (await fetch(`${tiny.url}/openapi.json`)).json()) as ApiDocument;
    expect(document.paths["/tiny/jobs"]!.post!.responses[201]).toHaveProperty("links");
    expect(document.paths).toHaveProperty("/em/pod/run");
    expect(document.components.schemas).toHaveProperty("TinyJob");
  });

  test("content in staging under its prefix, and all of a user's goes with the user", async () => {
    await tiny.ground.accounts.addUser("eve", "correct horse");
    const eve = tiny.as("eve");
    expect(await (await eve("/tiny/notes/n", { method: "PUT", body: "mine" })).json()).toEqual({ size: 4 });
    expect(await (await eve("/tiny/notes/n")).text()).toBe("mine");
    expect(await (await tiny.as("ada")("/tiny/notes/n")).json()).toMatchObject({
      fault: { code: "FILE_NOT_FOUND" },
    });
    await eve("/tiny/jobs", { method: "POST" });
    await tiny.ground.accounts.revoke("em1", "eve");
    await tiny.ground.accounts.removeUser("eve");
    await tiny.ground.janitor.round();
    expect(await tiny.core.records.get({ pk: "revoked", sk: "eve@em1" })).toBeDefined();
    expect(await tiny.core.records.query({ pk: "jobs#eve", limit: 10 })).toEqual([]);
    expect(await tiny.ground.staging.list("tiny/eve/")).toEqual([]);
    expect(await tiny.ground.store.query({ pk: "removals", limit: 10 })).toEqual([]);
  });
});

type ApiDocument = {
  paths: Record<string, Record<string, { responses: Record<number, object> }>>;
  components: { schemas: object };
};
