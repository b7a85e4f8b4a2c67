import { EventEmitter } from "node:events";
import { pino } from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { Backoff } from "./backoff.ts";
import { survive } from "./survive.ts";

let uncaught: EventEmitter;
let exits: number;
let told: { message: string; count: number }[];
let stop: AbortController;
beforeEach(() => {
  [uncaught, exits, told, stop] = [new EventEmitter(), 0, [], new AbortController()];
});

const log = pino({ level: "error" }, { write: (line) => tell(JSON.parse(line)) });
const tell = ({ err, count }: { err: Error; count: number }) => told.push({ message: err.message, count });

/** Runs lives one after the other; what a life does is the test's. */
function live(run: (life: number, signal: AbortSignal) => Promise<void>, endMs?: number): Promise<void> {
  let life = 0;
  return survive((signal) => run(++life, signal), {
    log,
    signal: stop.signal,
    process: uncaught,
    exit: () => {
      exits += 1;
      stop.abort();
    },
    backoff: new Backoff(1, 1),
    ...(endMs !== undefined && { endMs }),
  });
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });

describe("survive", () => {
  test("an exception ends the present life in order, and another begins; rejections end nothing", async () => {
    const lives: string[] = [];
    await live(async (life, signal) => {
      lives.push(`begin ${life}`);
      if (life === 3) {
        uncaught.emit("unhandledRejection", new Error("nobody waited"));
        expect(signal.aborted).toBe(false);
        stop.abort();
      } else {
        // a second one while it ends counts, and changes nothing
        setImmediate(() => {
          uncaught.emit("uncaughtException", new Error(`a of ${life}`));
          uncaught.emit("uncaughtException", new Error(`b of ${life}`));
        });
      }
      await aborted(signal);
      lives.push(`end ${life}`);
    });
    expect(lives).toEqual(["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
    expect(told.map(({ message }) => message)).toEqual([
      "a of 1",
      "b of 1",
      "a of 2",
      "b of 2",
      "nobody waited",
    ]);
    expect(told.map(({ count }) => count)).toEqual([1, 2, 3, 4, 5]);
    expect(exits).toBe(0);
    expect(uncaught.eventNames()).toEqual([]);
  });

  test.each(["uncaughtException", "unhandledRejection"])(
    "an error of the database ends it all: %s",
    async (event) => {
      await live(async (_, signal) => {
        uncaught.emit(event, Object.assign(new Error("full"), { code: "ERR_SQLITE_ERROR", errcode: 13 }));
        expect(exits).toBe(0);
        uncaught.emit(event, Object.assign(new Error("corrupt"), { code: "ERR_SQLITE_ERROR", errcode: 11 }));
        await aborted(signal);
      });
      expect(exits).toBe(1);
    },
  );

  test("a life that does not end is ended with the process", async () => {
    await live(async () => {
      uncaught.emit("uncaughtException", new Error("stuck"));
      await aborted(stop.signal);
    }, 1);
    expect(exits).toBe(1);
  });

  test("what the agent itself ends with is told, not tried again", async () => {
    await expect(live(async () => Promise.reject(new Error("superseded")))).rejects.toThrow("superseded");
    await live(async (life) => expect(life).toBe(1));
    expect(uncaught.eventNames()).toEqual([]);
  });
});
