import { expect, test } from "vitest";
import { controlsOf } from "./exec-controls.ts";

test("a flood of sizes and signals is one call at a time, of sizes the last one counts", async () => {
  const given: string[] = [];
  let [open, most] = [0, 0];
  const let1 = Promise.withResolvers<void>();
  const call = async (what: string) => {
    given.push(what);
    most = Math.max(most, ++open);
    await let1.promise;
    open--;
  };
  const take = controlsOf({
    resize: ({ rows }) => call(`${rows}`),
    signal: (name) => call(name),
  });
  for (let rows = 1; rows <= 1000; rows++) {
    take({ resize: { rows, columns: 80 } });
    take({ signal: "SIGINT" });
  }
  let1.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect(most).toBe(2);
  expect(given.filter((one) => one !== "SIGINT")).toEqual(["1", "1000"]);
  expect(given.filter((one) => one === "SIGINT").length).toBeLessThanOrEqual(17);
  take({ signal: "SIGTERM" });
  expect(given.at(-1)).toBe("SIGTERM");
});
