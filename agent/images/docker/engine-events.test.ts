import { describe, expect, test } from "vitest";
import { engineEvents, LineJoiner } from "./engine-events.ts";

async function eventsOf(...chunks: string[] | Buffer[]): Promise<unknown[]> {
  async function* answer() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const events: unknown[] = [];
  for await (const event of engineEvents(answer())) events.push(event);
  return events;
}

describe("the engine's events", () => {
  test("are read across chunks, and in the middle of a character", async () => {
    const text =
      '{"stream":"é\\n"}\r\n{"errorDetail":{"message":"x"},"error":"x"}\n{"aux":{"ID":"sha256:1"}}';
    const bytes = Buffer.from(text);
    for (let at = 1; at < bytes.length; at++) {
      expect(await eventsOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual([
        { stream: "é\n" },
        { errorDetail: { message: "x" }, error: "x" },
        { aux: { ID: "sha256:1" } },
      ]);
    }
  });

  test("that are no JSON are shown as they are", async () => {
    expect(await eventsOf("broken\n\n3\n")).toEqual([{ stream: "broken\n" }, { stream: "3\n" }]);
  });

  test("do not grow without end", async () => {
    await expect(eventsOf(...Array<string>(40).fill("x".repeat(100_000)))).rejects.toThrow(/never ends/);
  });
});

test("text that comes in pieces is joined into lines", () => {
  const lines: string[] = [];
  const joiner = new LineJoiner((line) => lines.push(line));
  for (const text of ["a", "b\nc", "\n\n", "d"]) joiner.add(text);
  expect(lines).toEqual(["ab", "c", ""]);
  joiner.end();
  joiner.end();
  expect(lines).toEqual(["ab", "c", "", "d"]);
});
