import { expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { LogFaults } from "./log-faults.ts";

const refusal = () => Object.assign(new Error("no"), { statusCode: 500 });

test("an engine that answers with errors is asked for its time, and a few times at least", () => {
  let now = 0;
  const faults = new LogFaults(1_000, () => now);
  faults.failed(refusal());
  now = 5_000;
  faults.failed(refusal());
  expect(faults.hopeless).toBe(false);
  faults.failed(refusal());
  expect(faults.hopeless).toBe(true);
});

test("an answer in between that says nothing of the log begins it anew", () => {
  let now = 0;
  const faults = new LogFaults(1_000, () => now);
  for (let i = 0; i < 5; i++) faults.failed(refusal());
  now = 999;
  expect(faults.hopeless).toBe(false);
  faults.failed(new PerigeeError("ENGINE_UNAVAILABLE", "away"));
  for (let i = 0; i < 5; i++) faults.failed(refusal());
  now = 1_998;
  expect(faults.hopeless).toBe(false);
  now = 1_999;
  expect(faults.hopeless).toBe(true);
});

test("an engine that does not answer is asked for ever", () => {
  let now = 0;
  const faults = new LogFaults(1_000, () => now);
  for (let i = 0; i < 100; i++) {
    now += 1_000_000;
    faults.failed(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }));
  }
  expect(faults.hopeless).toBe(false);
});

test.for([429, 502, 503, 504])("one that answers %i has too much to do, or is not there", (status) => {
  let now = 0;
  const faults = new LogFaults(1_000, () => now);
  for (let i = 0; i < 100; i++) {
    now += 1_000_000;
    faults.failed(Object.assign(new Error("busy"), i % 2 ? { status } : { statusCode: status }));
  }
  expect(faults.hopeless).toBe(false);
});
