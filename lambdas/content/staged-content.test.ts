import { Readable } from "node:stream";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { streamStaged } from "./staged-content.ts";

const command = { id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F", user: "ann" } as Command;
const context = { env: {}, req: {} } as never;

/** Without a Node answer, as on Lambda: after the last byte was given nothing runs any more. */
test("what is given once is gone before the answer ends", async () => {
  const gate = Promise.withResolvers<void>();
  let asked = false;
  const staging = {
    async deletePrefix() {
      asked = true;
      await gate.promise;
    },
  } as unknown as Staging;
  const deps = { staging, log: pino({ level: "silent" }) };
  const body = Readable.from([Buffer.from("one"), Buffer.from("two")], { objectMode: false });
  const response = streamStaged(context, deps, command, body, { once: true, headers: {} });
  let ended = false;
  const text = response.text().then((all) => {
    ended = true;
    return all;
  });
  while (!asked) await new Promise(setImmediate);
  expect(ended).toBe(false);
  gate.resolve();
  expect(await text).toBe("onetwo");
});

test("content that cannot be removed is given all the same, and what is cut is kept", async () => {
  let asked = 0;
  const staging = {
    async deletePrefix() {
      asked++;
      throw new Error("not now");
    },
  } as unknown as Staging;
  const deps = { staging, log: pino({ level: "silent" }) };
  const give = (body: Readable) =>
    streamStaged(context, deps, command, body, { once: true, headers: {} }).text();
  expect(await give(Readable.from([Buffer.from("all")], { objectMode: false }))).toBe("all");
  expect(asked).toBe(1);
  const broken = new Readable({
    read() {
      this.destroy(new Error("staging went away"));
    },
  });
  await expect(give(broken)).rejects.toThrow();
  expect(asked).toBe(1);
});
