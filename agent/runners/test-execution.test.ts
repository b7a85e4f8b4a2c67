import { expect, test } from "vitest";
import type { PodSessions } from "../sessions/pod-sessions.ts";
import { testExecution, Unfit } from "./test-execution.ts";

test("an image whose tools never end is unfit, and the execution is let go of", async () => {
  const cut = Promise.withResolvers<void>();
  const sessions = {
    exec: async () => ({
      endInput: async () => {},
      cut: () => cut.resolve(),
      output: (async function* () {
        await cut.promise;
        yield* [];
      })(),
      exit: cut.promise.then(() => {
        throw new Error("let go of");
      }),
    }),
  } as unknown as PodSessions;
  const tested = testExecution(sessions, "1-x", AbortSignal.timeout(10));
  await expect(tested).rejects.toThrow(Unfit);
  await cut.promise;
});
