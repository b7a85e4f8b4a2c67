import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { agentConfig } from "../config.ts";
import { makeDoorbell } from "./make-doorbell.ts";

const environment = { ground: "http://127.0.0.1:1", token: "t" };
const log = pino({ level: "silent" });
const bells: { close(): void }[] = [];
afterEach(() => {
  for (const bell of bells.splice(0)) bell.close();
});

test.each([
  ["at the ground, unless told otherwise", {}],
  [
    "at a queue",
    {
      doorbell: {
        sqs: { queueUrl: "http://127.0.0.1:1/000/q", region: "us-east-1", endpoint: "http://127.0.0.1:1" },
      },
    },
  ],
])("listens %s; where nobody answers it is silent", async (_name, config) => {
  const bell = await makeDoorbell(environment, agentConfig.parse(config), log);
  bells.push(bell);
  expect(await bell.wait(30)).toBe(false);
  bell.close();
  expect(await bell.wait(1)).toBe(false);
});
