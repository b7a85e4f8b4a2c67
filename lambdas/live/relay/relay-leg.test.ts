import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { controlFrames } from "#protocol/live-frames.ts";
import { MemoryWebSocket, memorySockets } from "#test/live/support/memory-socket.ts";
import { EdgeSockets } from "./edge-sockets.ts";
import { RelayLeg } from "./relay-leg.ts";
import { RelaySession } from "./relay-session.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("input that waits for the edge is let go of when the session ends there", async () => {
  const { near, far } = memorySockets();
  const session = new RelaySession(
    "s",
    { user: "u", edge: "e", target: { runner: "r" }, request: { kind: "write", write: { remove: [] } } },
    () => {},
  );
  const sockets = new EdgeSockets();
  sockets.enqueue(session);
  sockets.add(new RelayLeg(near as never, near as never, { epoch: 1 }));
  const say = (message: object) => {
    for (const frame of controlFrames(message)) far.send(frame);
  };
  say({ type: "ready" });
  say({ type: "started" });
  await session.started;
  const written = session.write(Buffer.alloc(1024 * 1024));
  await turn();
  say({ type: "end", end: { type: "error", code: "COPY_FAILED", message: "no space" } });
  await written;
  expect(await session.ended).toMatchObject({ code: "COPY_FAILED" });
});

test("who tells more than the connection takes waits until it takes it, or is over", async () => {
  for (const end of ["drain", "close"]) {
    const socket = Object.assign(new EventEmitter(), {
      ...{ bytesRead: 0, writableNeedDrain: false },
      ...{ cork: () => undefined, uncork: () => undefined },
    });
    const ws = new MemoryWebSocket();
    const leg = new RelayLeg(ws as never, socket as never, { epoch: 1 });
    await leg.tell({ type: "eof" });
    socket.writableNeedDrain = true;
    let told = false;
    const telling = leg.tell({ type: "eof" }).then(() => {
      told = true;
    });
    await turn();
    expect(told).toBe(false);
    socket.emit(end);
    await telling;
    expect(socket.listenerCount("drain")).toBe(0);
    leg.cut();
  }
});

test("pings and their answers are no work: only what is sent in frames is", async () => {
  const { near, far } = memorySockets();
  const leg = new RelayLeg(near as never, near as never, { epoch: 1 });
  let moved = 0;
  const open = { type: "open", session: "s", user: "u", target: { runner: "r" } } as never;
  const nothing = () => {};
  leg.offer(open, {
    ready: nothing,
    started: nothing,
    end: nothing,
    lost: nothing,
    moved: () => moved++,
    window: () => 0,
  });
  for (let n = 0; n < 3; n++) {
    near.emit("ping");
    near.emit("pong");
  }
  await turn();
  expect(moved).toBe(0);
  for (const frame of controlFrames({ type: "ready" })) far.send(frame);
  await turn();
  expect(moved).toBe(1);
  leg.cut();
});
