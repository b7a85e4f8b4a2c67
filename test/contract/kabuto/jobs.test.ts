import { expect, test } from "vitest";
import { image, me } from "./support/session.ts";
import { ran } from "./support/work.ts";

test("a job with files", async () => {
  const { of, id, job } = await ran(me, image, "sh -c 'cat /inbox/a > /outbox/b; cat /inbox/a'", {
    a: "one\n",
  });
  expect(job).toMatchObject({ state: "done", response: 0 });
  expect((await me.send("GET", `${of}/job/${id}?result`)).status).toBe(200);
});
