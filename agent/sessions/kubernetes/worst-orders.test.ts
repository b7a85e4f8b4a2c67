import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { KubernetesApi } from "../../pods/kubernetes/api.ts";
import { KubernetesRefusal } from "../../pods/kubernetes/errors.ts";
import type { ExecSpec } from "../pod-sessions.ts";
import { ProgramSessions } from "../program-sessions.ts";
import { KubernetesExec } from "./kubernetes-exec.ts";

/** A cluster under load: what a program says, and what is said of it, comes by two sockets, in any order and late. */
let server: WebSocketServer;
/** what comes of each socket that was opened, in order; the control's first */
let scripts: ((peer: WebSocket) => void)[];
let refusals: KubernetesRefusal[];
let opened: number;
let control: WebSocket;

beforeAll(async () => {
  server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  await once(server, "listening");
  server.on("connection", (peer) => {
    if (opened === 0) control = peer;
    scripts[opened++]?.(peer);
  });
});
beforeEach(() => {
  opened = 0;
  scripts = [];
  refusals = [];
});
afterAll(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

const api = {
  async socket(_path: string, _query: unknown, protocols: string[]) {
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    const { port } = server.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, protocols);
    // what comes with the answer waits for its taker
    socket.once("open", () => socket.pause());
    await once(socket, "open");
    return socket;
  },
  call: async () => ({
    items: [{ metadata: { namespace: "home" } }],
    metadata: {},
    status: { containerStatuses: [{ state: { running: {} } }] },
  }),
  close() {},
} as unknown as KubernetesApi;
const names = { pod: (run: string) => run, runOf: () => "run", selector: "" };

const LEFT_OPEN_MS = 20;
/** longer than streams may be silent */
const LATE_MS = 10 * LEFT_OPEN_MS;
const SUCCESS = Buffer.from(`\x03${JSON.stringify({ status: "Success" })}`);
const APART: ExecSpec = { argv: ["true"], as: "own", env: {}, terminal: { stderr: "apart" } };

function say(peer: WebSocket, channel: "stdout" | "stderr", text: string): void {
  peer.send(Buffer.from((channel === "stdout" ? "\x01" : "\x02") + text));
}
function end(peer: WebSocket): void {
  peer.send(SUCCESS);
  peer.close();
}
/** Resolves when the control is asked to end. */
async function askedToEnd(peer: WebSocket): Promise<void> {
  for (;;) {
    const [message] = (await once(peer, "message")) as [Buffer];
    if (message.includes("end\n")) return;
  }
}

async function run(spec = APART) {
  const sessions = new ProgramSessions(new KubernetesExec(api, names), { leftOpenMs: LEFT_OPEN_MS });
  const execution = await sessions.exec("run", spec, { signal: AbortSignal.timeout(30_000) });
  const said = { stdout: "", stderr: "" };
  for await (const { stream, data } of execution.output) said[stream] += data;
  return { ...said, code: await execution.exit };
}

test("output that comes long after the word of the program's end", async () => {
  let program: WebSocket;
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      await sleep(LATE_MS);
      say(peer, "stderr", "err\n");
      say(peer, "stdout", "end\n");
      end(peer);
      say(program, "stdout", "out");
      end(program);
    },
    (peer) => {
      program = peer;
      say(control, "stdout", "run 9\nexit 3\n");
    },
  ];
  expect(await run()).toEqual({ stdout: "out", stderr: "err\r\n", code: 3 });
});

test("the word of the program's end long after its stream", async () => {
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      await sleep(LATE_MS);
      say(peer, "stderr", "err\n");
      say(peer, "stdout", "exit 3\nend\n");
      end(peer);
    },
    (peer) => {
      say(control, "stdout", "run 9\n");
      peer.send(SUCCESS);
      say(peer, "stdout", "out");
      peer.close();
    },
  ];
  expect(await run()).toEqual({ stdout: "out", stderr: "err\r\n", code: 3 });
});

test("more than is held, with its end and a reset connection behind it", async () => {
  const piece = "x".repeat(32_000);
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      say(peer, "stdout", "end\n");
      end(peer);
    },
    (peer) => {
      for (let n = 0; n < 8; n++) say(peer, "stdout", piece);
      peer.send(SUCCESS, () => {
        say(control, "stdout", "run 9\nexit 0\n");
        peer.terminate();
      });
    },
  ];
  const { stdout, code } = await run();
  expect([stdout.length, code]).toEqual([8 * piece.length, 0]);
});

test("a child that keeps the streams open is not waited for once the control has answered", async () => {
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      say(peer, "stdout", "end\n");
    },
    (peer) => {
      say(peer, "stdout", "out");
      say(control, "stdout", "run 9\nexit 0\n");
    },
  ];
  expect(await run()).toEqual({ stdout: "out", stderr: "", code: 0 });
});

test("a program of which nothing is told is not started again", async () => {
  scripts = [
    (peer) => say(peer, "stdout", "pid 7\n"),
    (peer) => {
      control.terminate();
      say(peer, "stdout", "out");
      end(peer);
    },
  ];
  await expect(run()).rejects.toMatchObject({ code: "ENGINE" });
  expect(opened).toBe(2);
});

test("a stream that breaks off without a status is not the whole output", async () => {
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      say(peer, "stdout", "end\n");
      end(peer);
    },
    (peer) => {
      say(control, "stdout", "run 9\n");
      say(peer, "stdout", "out");
      // what is on its way comes, and then no status
      peer.close();
    },
  ];
  await expect(run()).rejects.toMatchObject({ code: "ENGINE" });
});

test("listed entries without the listing's end are not the whole listing", async () => {
  scripts = [
    (peer) => {
      say(peer, "stdout", '-rw-r--r-- 1 root root 3 1700000000 "a"\n');
      peer.close();
    },
  ];
  const sessions = new ProgramSessions(new KubernetesExec(api, names));
  const what = { path: ".", recursive: false, as: "own" } as const;
  const listing = sessions.list("run", what, { signal: AbortSignal.timeout(30_000) });
  const read = async () => {
    for await (const _ of listing);
  };
  await expect(read()).rejects.toMatchObject({ code: "ENGINE" });
});

test("an API server that has too much to do is asked again", async () => {
  refusals = [
    new KubernetesRefusal(429, "TooManyRequests", "too many"),
    new KubernetesRefusal(503, "", "busy"),
  ];
  scripts = [
    async (peer) => {
      say(peer, "stdout", "pid 7\n");
      await askedToEnd(peer);
      say(peer, "stdout", "end\n");
      end(peer);
    },
    (peer) => {
      say(control, "stdout", "run 9\nexit 0\n");
      end(peer);
    },
  ];
  expect(await run()).toMatchObject({ code: 0 });
});

test.for([502, 504])("what answers %i may have begun it, and is no word of its container", async (status) => {
  refusals = [new KubernetesRefusal(status, "", "container not found")];
  await expect(run()).rejects.toMatchObject({ code: "ENGINE" });
  expect(opened).toBe(0);
});
