import { Hono } from "hono";
import { expect, test } from "vitest";
import type { GroundEnv } from "../http/env.ts";
import type { RowPage } from "../logs/log-rows.ts";
import { registerCommandLog } from "./log.ts";

const page = (from: number, texts: string[], complete = false): RowPage => ({
  rows: texts.map((text, n) => ({ cursor: from + n + 1, text })),
  next: from + texts.length,
  dropped: false,
  complete,
});

/** A log whose pages are these, one after the other; what it was asked. */
function log(...pages: RowPage[]) {
  return limited(undefined, ...pages);
}

/** Of a process that has so many ms left. */
function limited(timeLeftMs: (() => number) | undefined, ...pages: RowPage[]) {
  const asked: [after: number | undefined, waitMs: number | undefined][] = [];
  const app = new Hono<GroundEnv>();
  registerCommandLog(app, {
    ledger: { command: async () => ({}) as never },
    timeLeftMs,
    rows: async (_, { after, waitMs, signal }) => {
      asked.push([after, waitMs]);
      const next = pages.shift();
      if (next) return next;
      // nothing comes until who follows has gone
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      return page(0, []);
    },
  });
  const get = (query: string, accept = "text/plain") =>
    app.request(`/commands/C1/log${query}`, { headers: { accept } });
  return { asked, get };
}

test("a text has every row that is there; JSON stays one page of rows", async () => {
  const { asked, get } = log(page(0, ["a", "b"]), page(2, ["c"]), page(3, []));
  const answer = await get("?limit=2");
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await answer.text()).toBe("a\nb\nc\n");
  expect(asked.map(([after]) => after)).toEqual([0, 2, 3]);
  for (const accept of ["*/*", "application/json, text/plain"]) {
    const rows = await log(page(0, ["a"])).get("", accept);
    expect(await rows.json()).toMatchObject({ data: { rows: [{ cursor: 1, text: "a" }] } });
  }
});

test("followed, it goes on until the log has ended", async () => {
  const { asked, get } = log(page(0, []), page(0, []), page(0, ["late"]), page(1, ["end"], true));
  expect(await (await get("?follow=true")).text()).toBe("late\nend\n");
  expect(asked.slice(1).every(([, waitMs]) => waitMs! > 0)).toBe(true);
});

test("followed, it ends before the time of its process does", async () => {
  const left = [60_000, 11_000];
  const { asked, get } = limited(() => left.shift() ?? 0, page(0, ["a"]), page(1, ["b"]), page(2, []));
  expect(await (await get("?follow=true")).text()).toBe("a\nb\n");
  expect(asked.map(([, waitMs]) => waitMs)).toEqual([0, 20_000, 0]);
});

test("who leaves ends what waits for more", async () => {
  const { asked, get } = log(page(0, ["first"]));
  const reader = (await get("?follow=true")).body!.getReader();
  expect(Buffer.from((await reader.read()).value!).toString()).toBe("first\n");
  const waiting = reader.read();
  await expect.poll(() => asked).toHaveLength(2);
  await reader.cancel();
  expect((await waiting).done).toBe(true);
});
