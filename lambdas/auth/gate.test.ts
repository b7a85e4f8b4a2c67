import { describe, expect, it } from "vitest";
import { Gate } from "./gate.ts";

/** Calls that end when told to. */
function calls(gate: Gate) {
  const started: number[] = [];
  const ends: (() => void)[] = [];
  const call = (n: number) =>
    gate.run(() => {
      started.push(n);
      return new Promise<number>((resolve) => {
        ends[n] = () => resolve(n);
      });
    });
  return { started, ends, call };
}

describe("Gate", () => {
  it("runs so many at once, the others in order as places come free", async () => {
    const gate = new Gate(2, 10);
    const { started, ends, call } = calls(gate);
    const all = [0, 1, 2, 3].map(call);
    expect(started).toEqual([0, 1]);
    ends[1]!();
    await all[1];
    expect(started).toEqual([0, 1, 2]);
    ends[0]!();
    await all[0];
    expect(started).toEqual([0, 1, 2, 3]);
    ends[2]!();
    ends[3]!();
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3]);
    expect(gate.idle).toBe(true);
  });

  it("refuses whom it has no room for, and no one after", async () => {
    const gate = new Gate(1, 1);
    const { ends, call } = calls(gate);
    const [first, second] = [call(0), call(1)];
    await expect(call(2)).rejects.toMatchObject({ code: "TOO_MANY_ATTEMPTS", data: { retryAfter: 5 } });
    ends[0]!();
    await first;
    const third = call(3);
    ends[1]!();
    await second;
    ends[3]!();
    expect(await third).toBe(3);
  });

  it("gives the place of a call that throws to the next", async () => {
    const gate = new Gate(1, 1);
    const failing = gate.run(() => Promise.reject(new Error("broken")));
    const next = gate.run(async () => "next");
    await expect(failing).rejects.toThrow("broken");
    expect(await next).toBe("next");
    expect(gate.idle).toBe(true);
  });
});
