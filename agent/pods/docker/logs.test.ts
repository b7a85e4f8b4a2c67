import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig, stateWhere } from "#test/support/pod-rig.ts";
import { framesOf } from "./logs.ts";

/** A message of the engine's log stream. */
function message(text: string | Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from("2025-11-20T12:00:00.000000000Z "), Buffer.from(text)]);
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("framesOf", () => {
  const PIECE = "a".repeat(16 * 1024);

  test.each<[driver: string, messages: string[]]>([
    ["that keeps the end of a long line", [PIECE, PIECE, "end\n", "next\n", PIECE, "\n"]],
    ["that drops the end of a long line", [PIECE, PIECE, "end", "next\n", PIECE, ""]],
  ])("tells pieces from lines with a log driver %s", async (_, messages) => {
    const stream = Buffer.concat(messages.map(message));
    const frames: [string, boolean][] = [];
    // In chunks that end anywhere.
    async function* chunks() {
      for (let at = 0; at < stream.length; at += 5_000) yield stream.subarray(at, at + 5_000);
    }
    for await (const { text, partial } of framesOf(chunks())) frames.push([`${text}`, partial]);
    expect(frames).toEqual([
      [PIECE, true],
      [PIECE, true],
      ["end", false],
      ["next", false],
      [PIECE, true],
      ["", false],
    ]);
  });
});

describe("lines of a pod", () => {
  let rig: PodRig;
  beforeAll(async () => {
    rig = await PodRig.create();
  });
  afterAll(() => rig.cleanUp());

  test("come back as they were written, however long they are and whatever is in them", async () => {
    const manager = rig.manager();
    const many = (n: number, of: string) => `head -c ${n} /dev/zero | tr '\\0' ${of}`;
    const script = [
      `${many(16_383, "a")}; printf 'é'; ${many(16_382, "b")}; printf '€'; ${many(20_000, "c")}; echo`,
      `${many(16_384, "d")}; echo; ${many(65_536, "e")}; echo; ${many(65_537, "f")}; echo`,
      "printf '\\033[1mbold\\0\\r\\n\\n\\377end'",
    ].join("; ");
    const run = rig.sh(manager, "ada", script);
    await stateWhere(manager, run, (state) => "terminated" in state);
    await rig.settled();
    const mark = " … (line cut)";
    const data = Buffer.concat(rig.chunks.filter((chunk) => chunk.run === run).map((chunk) => chunk.data));
    const lines = data
      .toString("latin1")
      .split("\n")
      .slice(0, -1)
      .map((line) => Buffer.from(line.slice(line.indexOf(" ") + 1), "latin1"));
    expect(lines.slice(0, -1).map(String)).toEqual([
      `${"a".repeat(16_383)}é${"b".repeat(16_382)}€${"c".repeat(20_000)}`,
      "d".repeat(16_384),
      "e".repeat(65_536),
      "f".repeat(65_536 - Buffer.byteLength(mark)) + mark,
      "\x1b[1mbold\0\r",
      "",
    ]);
    expect(lines.at(-1)).toEqual(Buffer.from("\xffend", "latin1"));
  });
});
