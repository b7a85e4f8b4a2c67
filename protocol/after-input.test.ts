import { expect, it } from "vitest";
import { afterInput } from "./after-input.ts";

const blocked = (ms: number) => {
  for (const until = performance.now() + ms; performance.now() < until; );
};

it("lets what came while the process was held up be read before it says that none came", async () => {
  const happened: string[] = [];
  const late = Promise.withResolvers<void>();
  // timers are what the loop does next
  setImmediate(() => {
    afterInput(10, () => {
      happened.push("late");
      late.resolve();
    });
    // another thread answers, as the kernel would
    void crypto.subtle.digest("SHA-256", new Uint8Array(1)).then(() => happened.push("answer"));
    blocked(100);
  });
  await late.promise;
  expect(happened).toEqual(["answer", "late"]);
});

it("can be taken back, also when its time is over", async () => {
  let called = 0;
  const first = afterInput(0, () => called++);
  first();
  const second = afterInput(0, () => called++);
  const between = new Promise<void>((resolve) => {
    setTimeout(() => {
      second();
      resolve();
    }, 0);
  });
  // both timers are over in the same turn of the loop
  blocked(20);
  await between;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(called).toBe(0);
});
