import { pino } from "pino";
import { expect, test } from "vitest";
import { createCloudGround } from "./cloud.ts";
import { kabuto } from "./dialects/kabuto/dialect.ts";
import type { RepositoryFetcher } from "./ports/repository-fetcher.ts";

const repositories: RepositoryFetcher = { fetch: () => Promise.reject(new Error("not expected here")) };

test.each([
  ["a server", repositories],
  ["a Lambda", undefined],
])("%s on the table gives its dialects what fetches repositories, where it has it", async (_, fetcher) => {
  const ground = createCloudGround({
    table: "t",
    bucket: "b",
    queuePrefix: "q-",
    aws: { region: "eu-central-1", credentials: { accessKeyId: "a", secretAccessKey: "s" } },
    log: pino({ level: "silent" }),
    tokens: [{ kid: "k", secret: Buffer.alloc(32) }],
    dialects: [kabuto],
    ...(fetcher && { repositories: fetcher }),
  });
  try {
    expect(ground.dialects.map(({ core }) => core.repositories)).toEqual([fetcher]);
  } finally {
    await ground.close();
  }
});
