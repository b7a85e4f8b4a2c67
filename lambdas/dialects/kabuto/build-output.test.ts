import { describe, expect, test } from "vitest";
import { leftOutRow } from "#protocol/log-notes.ts";
import { BuildOutput } from "./build-output.ts";

const rowsOf = (texts: string[], more: object = {}) => ({
  rows: texts.map((text, i) => ({ cursor: i + 1, time: "2026-11-27T07:00:00Z", text, ...more })),
  dropped: false,
});

describe("a build's output", () => {
  test("is the newest MiB of its objects, after how many bytes are left out", () => {
    const output = new BuildOutput();
    const line = "x".repeat(1000);
    for (let page = 0; page < 3; page++) output.add(rowsOf(Array.from({ length: 500 }, () => line)));
    output.add(rowsOf(["last"]));
    const [first, ...others] = output.objects();
    const bytes = others.reduce((sum, { stream }) => sum + Buffer.byteLength(stream), 0);
    expect(first!.stream).toBe(`[${1500 * 1001 + 5 - bytes} bytes of output left out]\n`);
    expect(others.at(-1)).toEqual({ stream: "last\n" });
    expect(Buffer.byteLength(JSON.stringify(others))).toBeLessThanOrEqual(1024 * 1024 + 1);
    expect(bytes).toBeGreaterThan(900 * 1024);
  });

  test("of empty lines is bounded too", () => {
    const output = new BuildOutput();
    for (let page = 0; page < 20; page++) output.add(rowsOf(Array.from({ length: 10_000 }, () => "")));
    expect(JSON.stringify(output.objects()).length).toBeLessThanOrEqual(1024 * 1024 + 100);
  });

  test("begins again where the agent began again", () => {
    const output = new BuildOutput();
    output.add(rowsOf(["Step 1/2 : FROM a", "… the agent started anew, says a step"]));
    output.add(rowsOf(["… the agent started anew, and the work begins again"], { time: undefined }));
    output.add(rowsOf(["Step 1/2 : FROM a"]));
    expect(output.objects()).toEqual([{ stream: "Step 1/2 : FROM a\n" }]);
  });

  test("counts what the log dropped", () => {
    const output = new BuildOutput();
    output.add({ rows: [{ cursor: 1004, time: "2026-11-27T07:00:00Z", text: "abc" }], dropped: true });
    expect(output.objects()[0]).toEqual({ stream: "[1001 bytes of output left out]\n" });
  });

  test("counts what the agent left out, and shows nothing from before that", () => {
    const output = new BuildOutput();
    output.add(rowsOf(["first", leftOutRow(7)]));
    output.add(rowsOf([leftOutRow(1000)], { time: undefined }));
    output.add(rowsOf(["last"]));
    const counted = 1000 + Buffer.byteLength(`first\n${leftOutRow(7)}\n`);
    expect(output.objects()).toEqual([
      { stream: `[${counted} bytes of output left out]\n` },
      { stream: "last\n" },
    ]);
  });

  test.each([
    ["one line", ["a", "b"], "b", ["a"]],
    ["several lines, one of them empty", ["a", "b", "", "c"], "b\nc", ["a"]],
    ["a line that was drawn over", ["a", "1%\r2%"], "2%", ["a"]],
    ["other lines", ["a", "b"], "c", ["a", "b"]],
    ["more lines than there are", ["b"], "a\nb", ["b"]],
  ])("loses its end where that is the reason of the failure: %s", (_, lines, reason, left) => {
    const output = new BuildOutput();
    output.add(rowsOf(lines));
    output.dropEnd(reason);
    expect(output.objects().map(({ stream }) => stream.trimEnd())).toEqual(left);
  });
});
