import { once } from "node:events";
import { request } from "node:http";
import { expect, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { type Client, type PoseidonGround, startPoseidonGround } from "./support/poseidon-ground.ts";

type Message = { type: string; data?: unknown };

/** Connects; what came until it closed, and how it did. */
function connect(url: string, token: string | undefined, options: ClientOptions = {}) {
  const headers = { ...(token && { "Poseidon-Token": token }), ...options.headers };
  const socket = new WebSocket(url, { ...options, headers });
  const messages: Message[] = [];
  socket.on("message", (data, binary) => {
    expect(binary).toBe(false);
    messages.push(JSON.parse(data.toString()));
  });
  socket.on("error", () => {});
  const closed = new Promise<[number, string]>((resolve) => {
    socket.once("close", (code, reason) => resolve([code, reason.toString()]));
  });
  return { socket, messages, closed };
}

/** The answer to an upgrade that is refused. */
async function refused(url: string, token: string | undefined, options: ClientOptions = {}) {
  const { socket } = connect(url, token, options);
  const [, answer] = await once(socket, "unexpected-response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  socket.terminate();
  return [answer.statusCode, text === "" ? "" : JSON.parse(text)];
}

/** The answer to an upgrade whose headers are not a library's. */
async function upgrade(url: string, token: string, headers: Record<string, string>) {
  const { port, pathname, search } = new URL(url);
  const sent = request({
    port,
    path: pathname + search,
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
      "Poseidon-Token": token,
      ...headers,
    },
  });
  sent.end();
  const [answer] = await once(sent, "response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  return [answer.statusCode, JSON.parse(text)];
}

async function started() {
  const ground = await startPoseidonGround();
  await ground.beat();
  const me = await ground.client();
  const path = await me.runner();
  const execute = async (body: unknown) => {
    const answer = await me.post(`${path}/execute`, body);
    expect(answer.status).toBe(200);
    return (answer.json as { websocketUrl: string }).websocketUrl;
  };
  return { ground, me, path, execute };
}

test("what a connect reads is read together, as far as it does not depend on each other", async () => {
  const { ground, me, execute } = await started();
  const { pools, tickets, live } = ground;
  /** Each of the two waits until the other is asked too. */
  const meet = <A extends unknown[], B, C extends unknown[], D>(
    one: (...of: A) => Promise<B>,
    other: (...of: C) => Promise<D>,
  ) => {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    return [
      async (...of: A) => {
        first.resolve();
        await second.promise;
        return one(...of);
      },
      async (...of: C) => {
        second.resolve();
        await first.promise;
        return other(...of);
      },
    ] as const;
  };
  const url = await execute({ command: "true" });
  [pools.used, tickets.look] = meet(pools.used.bind(pools), tickets.look.bind(tickets));
  const { closed } = connect(url, me.token);
  const session = await live.next();
  session.begin();
  session.finish({ type: "exit", code: 0 });
  expect(await closed).toEqual([1000, ""]);
});

/** An execution that has begun, and the edge's end of it. */
async function running(of: { ground: PoseidonGround; me: Client; execute(body: unknown): Promise<string> }) {
  const connection = connect(await of.execute({ command: "true" }), of.me.token);
  const session = await of.ground.live.next();
  if (connection.socket.readyState === WebSocket.CONNECTING) await once(connection.socket, "open");
  return { ...connection, session };
}

test("execute gives an address and runs nothing; what is asked for reaches the edge at the connect", async () => {
  const { ground, me, path, execute } = await started();
  const url = await execute({
    command: 'echo "$A" \\ `b`\n',
    privilegedExecution: true,
    environment: { A: "a b\n$c", CODEOCEAN: "no", "b.c": null, D: "" },
    timeLimit: 3,
  });
  expect(url).toMatch(
    /^ws:\/\/127\.0\.0\.1:\d+\/api\/v1\/runners\/0-[0-9a-f-]{36}\/websocket\?executionID=[0-9a-f]{8}-[0-9a-f-]{27}$/,
  );
  expect(url).toContain(path);
  expect(ground.live.opened).toEqual([]);
  expect(ground.pools.touches).toEqual([]);
  connect(url, me.token);
  const { of } = await ground.live.next();
  expect(ground.pools.touches).toHaveLength(1);
  expect(of).toEqual({
    user: "ada",
    edge: "em1",
    target: { runner: path.split("/").at(-1) },
    request: {
      kind: "exec",
      exec: {
        argv: ["/bin/bash", "-c", 'echo "$A" \\ `b`\n'],
        as: "root",
        env: { A: "a b\n$c", D: "", CODEOCEAN: "true" },
        terminal: { stderr: "apart" },
        limitMs: 3000,
        stop: "quit",
      },
    },
  });
  const { request } = of;
  if (request.kind === "exec") expect(Object.keys(request.exec.env).at(-1)).toBe("CODEOCEAN");
  connect(await execute("{}"), me.token);
  expect((await ground.live.next()).of.request).toMatchObject({
    exec: { argv: ["/bin/bash", "-c", ""], as: "user" },
  });
  connect(await execute({ command: "x", timeLimit: -2 }), me.token);
  expect((await ground.live.next()).of.request).toMatchObject({ exec: { limitMs: -2000 } });
  expect(await execute({ command: "x".repeat(128 * 1024) })).toMatch(/^ws:/);
});

test("what no execution can be is refused with the field", async () => {
  const { me, path } = await started();
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`k${n}`, ""]));
  for (const [body, message] of [
    [{ command: "it's" }, /^use of forbidden character$/],
    [{ command: "a\0b" }, /command/],
    [{ command: "x".repeat(128 * 1024 + 1) }, /command/],
    // one that Linux takes has a terminating zero in these bytes
    [
      { environment: { A: "x".repeat(128 * 1024 - 2) } },
      /^environment: a key with its value .* 131070 bytes/,
    ],
    [{ command: 1 }, /^command /],
    [{ environment: { "a=b": "" } }, /environment/],
    [{ environment: { "": "" } }, /environment/],
    [{ environment: { a: 1 } }, /^environment\.a /],
    [{ environment: ["a"] }, /^environment /],
    [{ environment: many }, /environment/],
    [{ timeLimit: 1.5 }, /^timeLimit /],
    [{ timeLimit: "1" }, /^timeLimit /],
    [{ privilegedExecution: "yes" }, /^privilegedExecution /],
    ["", /^EOF$/],
  ] as const) {
    const { status, json } = await me.post(`${path}/execute`, body);
    expect([status, json]).toEqual([400, { message: expect.stringMatching(message) }]);
  }
});

test("the address behind a proxy is the proxy's only where it is trusted", async () => {
  const { me, path } = await started();
  const { json } = await me.send("POST", `${path}/execute`, {
    body: "{}",
    headers: { "x-forwarded-proto": "https", "x-forwarded-host": "evil.example" },
  });
  expect((json as { websocketUrl: string }).websocketUrl).toMatch(/^ws:\/\/127\.0\.0\.1:/);
});

test("behind a trusted proxy it is the proxy's, wss where the client speaks TLS", async () => {
  const ground = await startPoseidonGround({ trustProxy: true });
  const me = await ground.client();
  const path = await me.runner();
  const address = async (headers: Record<string, string>) => {
    const { json } = await me.send("POST", `${path}/execute`, { body: "{}", headers });
    return new URL((json as { websocketUrl: string }).websocketUrl).origin;
  };
  const named = { "x-forwarded-host": "poseidon.example" };
  expect(await address({ ...named, "x-forwarded-proto": "https" })).toBe("wss://poseidon.example");
  expect(await address({ "x-forwarded-proto": "http" })).toBe(`ws://127.0.0.1:${ground.port}`);
});

test("start, output, one end, and a close without a reason", async () => {
  const all = await started();
  const { messages, closed, session } = await running(all);
  session.say("stdout", "out\r\n");
  session.say("stderr", "err\r\n");
  session.say("stdout", "");
  session.finish({ type: "exit", code: 137 });
  expect(await closed).toEqual([1000, ""]);
  expect(messages).toEqual([
    { type: "start" },
    { type: "stdout", data: "out\r\n" },
    { type: "stderr", data: "err\r\n" },
    { type: "exit", data: 137 },
  ]);
});

test("ends in the contract's words", async () => {
  const all = await started();
  for (const [end, message] of [
    [
      { type: "exit", code: 0 },
      { type: "exit", data: 0 },
    ],
    [{ type: "timeout" }, { type: "timeout" }],
    [
      { type: "error", code: "OOM_KILLED", message: "m" },
      { type: "error", data: "the allocation was OOM Killed" },
    ],
    [
      { type: "error", code: "STOPPED", message: "m" },
      { type: "error", data: "the allocation stopped as expected" },
    ],
    [
      { type: "error", code: "UNREACHABLE", message: "m" },
      { type: "error", data: "Error executing the request" },
    ],
    [
      { type: "error", code: "ENGINE", message: "m" },
      { type: "error", data: "Error executing the request" },
    ],
    [
      { type: "error", code: "SESSION_TOO_LONG", message: "m" },
      { type: "error", data: "Error executing the request" },
    ],
    [
      { type: "error", code: "CANNOT_START", message: "m" },
      { type: "error", data: "Error executing the request" },
    ],
  ] as const) {
    const { messages, closed, session } = await running(all);
    session.finish(end);
    expect(await closed).toEqual([1000, ""]);
    expect(messages).toEqual([{ type: "start" }, message]);
  }
});

test("where the edge cannot say why a runner is gone, the ground does", async () => {
  const all = await started();
  for (const [code, gone, message] of [
    ["GONE", "deleted", { type: "error", data: "the allocation stopped as expected" }],
    ["UNREACHABLE", "replaced", { type: "error", data: "the allocation stopped as expected" }],
    ["GONE", "oom", { type: "error", data: "the allocation was OOM Killed" }],
    ["GONE", "inactive", { type: "timeout" }],
    ["GONE", "lost", { type: "error", data: "Error executing the request" }],
    ["ENGINE", "deleted", { type: "error", data: "Error executing the request" }],
  ] as const) {
    const { messages, closed, session } = await running(all);
    all.ground.pools.gone = gone;
    session.finish({ type: "error", code, message: "m" });
    expect(await closed).toEqual([1000, ""]);
    expect(messages).toEqual([{ type: "start" }, message]);
  }
});

test("characters that are cut between pieces arrive whole, of each stream; what is no character is U+FFFD", async () => {
  const { messages, closed, session } = await running(await started());
  const [euro, smile] = [Buffer.from("€"), Buffer.from("😀")];
  session.say("stdout", euro.subarray(0, 1));
  session.say("stderr", smile.subarray(0, 3));
  session.say("stdout", euro.subarray(1));
  session.say("stderr", smile.subarray(3));
  session.say("stdout", Buffer.from([0x61, 0xff, 0x62]));
  session.say("stdout", Buffer.from([0xef, 0xbb, 0xbf]));
  session.say("stdout", euro.subarray(0, 2));
  session.finish({ type: "exit", code: 0 });
  await closed;
  const of = (type: string) => messages.flatMap((one) => (one.type === type ? [one.data] : [])).join("");
  expect(of("stdout")).toBe("€a\ufffdb\ufeff\ufffd");
  expect(of("stderr")).toBe("😀");
  expect(messages.filter(({ data }) => data === "")).toEqual([]);
  expect(messages.at(-1)).toEqual({ type: "exit", data: 0 });
});

test("texts are bytes for stdin; a binary frame ends the input, and the execution goes on", async () => {
  const { socket, closed, session, messages } = await running(await started());
  const input = () => Buffer.concat(session.input).toString();
  socket.send("Hello Wörld!\n");
  socket.send('{"type":"x"}');
  await session.until(() => input() === 'Hello Wörld!\n{"type":"x"}');
  socket.send(Buffer.from("binary"));
  socket.send("late");
  const pong = once(socket, "pong");
  socket.ping();
  await pong;
  session.say("stdout", "still here");
  session.finish({ type: "exit", code: 0 });
  await closed;
  expect(input()).toBe('Hello Wörld!\n{"type":"x"}');
  expect(session.controls).toEqual([]);
  expect(messages.map(({ type }) => type)).toEqual(["start", "stdout", "exit"]);
});

test("a client that closes, breaks off, or sends too much has gone", async () => {
  const all = await started();
  for (const go of [
    (socket: WebSocket) => socket.close(),
    (socket: WebSocket) => socket.terminate(),
    (socket: WebSocket) => socket.send("x".repeat(1024 * 1024 + 1)),
  ]) {
    const { socket, closed, session } = await running(all);
    go(socket);
    await session.until(() => session.closed);
    await closed;
  }
  const { socket, closed } = await running(all);
  socket.send("x".repeat(1024 * 1024 + 1));
  expect((await closed)[0]).toBe(1009);
});

test("an id is good for one connect; a refused one does not use it up", async () => {
  const { ground, me, path, execute } = await started();
  const url = await execute({ command: "true" });
  const other = await me.runner();
  const foreign = await ground.client("bob");
  const unknown = [404, { message: "execution id unknown" }];
  expect(await refused(url, undefined)).toEqual([401, ""]);
  expect(await refused(url, foreign.token)).toEqual([410, { message: "no runner found with this id" }]);
  expect(await refused(url.replace(path, "/runners/none"), me.token)).toEqual([
    410,
    { message: "no runner found with this id" },
  ]);
  expect(await refused(url.replace(path, other), me.token)).toEqual(unknown);
  expect(await refused(`${url}0`, me.token)).toEqual(unknown);
  expect(await refused(url.replace(/\?.*/, ""), me.token)).toEqual(unknown);
  const plain = url.replace(/^ws/, "http").replace(/^.*\/api\/v1/, "");
  expect(await me.get(plain)).toMatchObject({ status: 400, json: { message: "websocket upgrade required" } });
  expect(await me.get(plain.replace(/executionID=.*/, ""))).toMatchObject({ status: 404 });
  const origin = { headers: { Origin: "http://evil.example" } };
  expect(await refused(url, me.token, origin)).toEqual([403, { message: expect.any(String) }]);
  const brokenUpgrades: Record<string, string>[] = [
    { "Sec-WebSocket-Key": "short" },
    { "Sec-WebSocket-Version": "12" },
    { "Sec-WebSocket-Protocol": "a,,b" },
    { "Sec-WebSocket-Protocol": "a, a" },
  ];
  for (const broken of brokenUpgrades) {
    expect(await upgrade(url, me.token!, broken)).toEqual([400, { message: "websocket upgrade required" }]);
  }
  const { closed, messages } = connect(url, me.token, {
    headers: { Origin: url.replace(/^ws/, "http").replace(/\/api.*/, "") },
  });
  (await ground.live.next()).finish({ type: "exit", code: 0 });
  expect(await closed).toEqual([1000, ""]);
  expect(messages.at(-1)).toEqual({ type: "exit", data: 0 });
  expect(await refused(url, me.token)).toEqual(unknown);
});

test("of two connects at once one runs, and the other is told that the id is unknown", async () => {
  const { ground, me, execute } = await started();
  const url = await execute({ command: "true" });
  const outcomes = await Promise.all(
    [1, 2].map(async () => {
      const { socket } = connect(url, me.token);
      const opened = once(socket, "open").then(() => 101);
      const answered = once(socket, "unexpected-response").then(([, answer]) => answer.statusCode);
      return Promise.race([opened, answered]);
    }),
  );
  expect(outcomes.sort()).toEqual([101, 404]);
  (await ground.live.next()).finish({ type: "exit", code: 0 });
  expect(ground.live.opened).toEqual([]);
});

test("without contact to the edge the upgrade is refused, and the id stays good", async () => {
  const ground = await startPoseidonGround();
  const me = await ground.client();
  const path = await me.runner();
  const { json } = await me.post(`${path}/execute`, { command: "true" });
  const { websocketUrl } = json as { websocketUrl: string };
  expect(await refused(websocketUrl, me.token)).toEqual([
    500,
    { message: expect.any(String), errorCode: "NOMAD_UNREACHABLE" },
  ]);
  await ground.beat();
  ground.live.isHere = false;
  expect((await refused(websocketUrl, me.token))[1]).toMatchObject({ errorCode: "NOMAD_UNREACHABLE" });
  ground.live.isHere = true;
  ground.live.room = false;
  expect(await refused(websocketUrl, me.token)).toEqual([
    500,
    { message: expect.any(String), errorCode: "NOMAD_OVERLOAD" },
  ]);
  ground.live.room = true;
  const { closed } = connect(websocketUrl, me.token);
  (await ground.live.next()).finish({ type: "exit", code: 0 });
  expect(await closed).toEqual([1000, ""]);
});

test("neither sub-protocol nor compression is agreed on", async () => {
  const { ground, me, execute } = await started();
  const url = await execute({ command: "true" });
  const headers = { "Poseidon-Token": me.token! };
  const socket = new WebSocket(url, { headers, perMessageDeflate: true });
  await once(socket, "open");
  expect([socket.protocol, socket.extensions]).toEqual(["", ""]);
  (await ground.live.next()).finish({ type: "exit", code: 0 });
  await once(socket, "close");
});
