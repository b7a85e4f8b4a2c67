import { expect, test } from "vitest";
import { BuildGate } from "./build-gate.ts";

test("nothing is cleaned while a build runs, and a build waits for a cleaning", async () => {
  const gate = new BuildGate();
  const said: string[] = [];
  const clean = (name: string, until?: Promise<void>) =>
    gate.clean(async () => {
      said.push(`clean ${name}`);
      await until;
      said.push(`cleaned ${name}`);
    });
  const built = Promise.withResolvers<void>();
  const first = gate.build(() => built.promise);
  await clean("never");
  const second = gate.build(async () => said.push("second"));
  await second;
  await clean("nor this");
  built.resolve();
  await first;

  const cleaned = Promise.withResolvers<void>();
  const cleaning = clean("now", cleaned.promise);
  const other = clean("then");
  const late = gate.build(async () => said.push("late"));
  await Promise.resolve();
  cleaned.resolve();
  await Promise.all([cleaning, other, late]);
  expect(said.slice(0, 3)).toEqual(["second", "clean now", "cleaned now"]);
  expect(said).toContain("late");
});

test("what fails opens it again", async () => {
  const gate = new BuildGate();
  const fail = () => Promise.reject(new Error("no"));
  await expect(gate.build(fail)).rejects.toThrow("no");
  await expect(gate.clean(fail)).rejects.toThrow("no");
  const said: string[] = [];
  await gate.clean(async () => void said.push("cleaned"));
  expect(await gate.build(async () => said.length)).toBe(1);
});
