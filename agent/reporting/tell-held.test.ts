import { pino } from "pino";
import { expect, it } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { fpgaHeldRequest } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import { type HeldPiece, tellHeld } from "./tell-held.ts";

const log = pino({ level: "silent" });
const idOf = (n: number) => n.toString(16).padStart(32, "0");
const backoff = () => new Backoff(1, 1);

it("goes on telling what was here at the start when the agent has long begun to take commands", async () => {
  const here = [{ user: "ada", images: [idOf(1)] }];
  const told: HeldPiece[] = [];
  const heard = Promise.withResolvers<void>();
  let tries = 0;
  const send = async (piece: HeldPiece) => {
    if (++tries < 6) throw new Error("no contact");
    told.push(structuredClone(piece));
    heard.resolve();
  };
  const deps = { held: () => structuredClone(here), send, beganAt: 1, log, backoff: backoff() };
  await tellHeld(deps, new AbortController().signal);
  expect(told).toEqual([]);
  // stored by a command meanwhile: the ground knows of it
  here[0]!.images.push(idOf(2));
  await heard.promise;
  expect(told).toEqual([{ held: [{ user: "ada", images: [idOf(1)] }] }]);
});

it("ends with the agent, and where nobody asks", async () => {
  const stop = new AbortController();
  const waits = new Backoff(1, 1);
  const again = Promise.withResolvers<void>();
  let tries = 0;
  const send = async () => {
    if (++tries === 5) {
      stop.abort();
      again.resolve();
    }
    throw new Error("no contact");
  };
  await tellHeld({ held: () => [], send, beganAt: 1, log, backoff: waits }, stop.signal);
  await again.promise;
  await waits.wait();
  expect(tries).toBe(5);

  for (const code of ["NOT_FOUND", "STALE_EPOCH"] as const) {
    let asked = 0;
    const refuse = async () => {
      asked++;
      throw new PerigeeError(code, "no");
    };
    await tellHeld({ held: () => [], send: refuse, beganAt: 1, log }, new AbortController().signal);
    expect(asked).toBe(1);
  }
});

it("tells a long list in pieces that the ground takes, and that together mean every id", async () => {
  const ids = Array.from({ length: 2500 }, (_, n) => idOf(n * 3));
  const held = [
    { user: "ada", images: ids.filter((_, n) => n % 20 !== 0) },
    { user: "bob", images: ids.filter((_, n) => n % 20 === 0) },
  ];
  const told: HeldPiece[] = [];
  const send = async (piece: HeldPiece) => {
    fpgaHeldRequest.parse({ epoch: 1, at: 1, ...piece });
    told.push(piece);
  };
  await tellHeld({ held: () => held, send, beganAt: 1, log }, new AbortController().signal);
  expect(told).toHaveLength(3);
  expect([told[0]?.from, told.at(-1)?.to]).toEqual([undefined, undefined]);
  expect(told.slice(1).map(({ from }) => from)).toEqual(told.slice(0, -1).map(({ to }) => to));
  for (const { user, images } of held) {
    const seen = told.flatMap((piece) => piece.held.flatMap((one) => (one.user === user ? one.images : [])));
    expect(seen).toEqual(images);
  }
  for (const { from = "", to = "g", held } of told) {
    expect(held.flatMap(({ images }) => images).every((id) => id >= from && id < to)).toBe(true);
  }
});
