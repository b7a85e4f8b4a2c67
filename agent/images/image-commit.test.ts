import { expect, test } from "vitest";
import { makeOnce } from "./image-commit.ts";

type Making = Parameters<typeof makeOnce<undefined>>[0];

/** Everything around one image is played: only how it waits for room is looked at. */
function making(room: () => number, settled: () => Promise<void>): Making {
  return {
    store: {
      ...{ settled, inspect: async () => undefined, discard: async () => {}, commit: async () => {} },
      ...{ usage: async () => 0, usageWith: async () => 0 },
    },
    deps: {
      room,
      discardStaged: async () => {},
      budget: {
        reserve: async () => ({ land: (name: () => Promise<void>) => name(), [Symbol.dispose]: () => {} }),
      },
    },
    ...{ command: "C", user: "ada", owner: "ada", image: { name: "a", tag: "latest" } },
    journal: { notes: [], note: () => {} },
    signal: new AbortController().signal,
    prepare: async () => undefined,
    make: async () => "sha256:made",
  } as unknown as Making;
}

test("room that is still being made by an earlier command's cleaning is waited for", async () => {
  let room = 0;
  const settled = async () => {
    room = 1;
  };
  await makeOnce(making(() => room, settled));
  expect(room).toBe(1);
  room = 0;
  await expect(
    makeOnce(
      making(
        () => room,
        async () => {},
      ),
    ),
  ).rejects.toMatchObject({ code: "STORAGE_FULL" });
});
