import { afterEach, beforeEach, expect, test } from "vitest";
import { Stage } from "../testing/cli-process.ts";
import type { Reply } from "../testing/ground.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

const ROUTE = "GET /commands/01C/log";
const row = (cursor: number, text: string) => ({ cursor, time: "2026-01-01T00:00:00.000Z", text });
const page = (rows: ReturnType<typeof row>[], next: number, more: object = {}): Reply => ({
  json: {
    message: "Successfully fetched log",
    data: { rows, next, dropped: false, complete: false, ...more },
  },
});
const asked = () => stage.ground.calls(ROUTE).map(({ path }) => path.split("?")[1]);

test("shows the rows that there are, in pages, without terminal codes, and ends", async () => {
  stage.ground.on(
    ROUTE,
    page([row(4, "one"), row(9, "t\u001b[2Jwo")], 9),
    page([row(14, "three")], 14),
    page([], 14),
  );
  const { code, stdout, stderr } = await stage.run(["log", "01C"]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "one\nt\\u001b[2Jwo\nthree\n", stderr: "" });
  expect(asked()).toEqual(["after=0", "after=9", "after=14"]);
});

test("-f waits for rows until the log is complete; --json gives each with its cursor", async () => {
  stage.ground.on(ROUTE, page([row(4, "one")], 4), page([], 4), page([row(9, "two")], 9, { complete: true }));
  const { code, stdout } = await stage.run(["log", "01C", "-f", "--json"]);
  expect(code).toBe(0);
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([row(4, "one"), row(9, "two")]);
  expect(asked()).toEqual(["after=0&wait=20", "after=4&wait=20", "after=4&wait=20"]);
});

test("-f goes on after the ground was away, from the same row", async () => {
  stage.ground.on(
    ROUTE,
    page([row(4, "one")], 4),
    { raw: (request) => request.socket.destroy() },
    page([row(9, "two")], 9, { complete: true }),
  );
  const { code, stdout } = await stage.run(["log", "01C", "--follow"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "one\ntwo\n" });
  expect(new Set(asked().slice(1))).toEqual(new Set(["after=4&wait=20"]));
});

test("says where the beginning is gone, and that a command writes none", async () => {
  stage.ground.on(ROUTE, page([row(4000, "late")], 4000, { dropped: true, complete: true }));
  const late = await stage.run(["log", "01C"]);
  expect(late.stdout).toBe("late\n");
  expect(late.stderr).toContain("older rows are kept no more");
  const message = "nodes.status writes no log";
  stage.ground.on(ROUTE, { status: 404, json: { error: "FILE_NOT_FOUND", message } });
  const none = await stage.run(["log", "01C", "-f"]);
  expect(none.code).toBe(4);
  expect(none.stderr).toContain(message);
});
