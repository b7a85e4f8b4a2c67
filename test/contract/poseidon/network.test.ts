import { expect, test } from "vitest";
import { environment, me, runner } from "./support/session.ts";

test("runners have no network but loopback", async () => {
  const path = await runner(await environment({ networkAccess: false }));
  const { text } = await me.get(`${path}/files/raw?path=/proc/net/dev&privilegedExecution=true`);
  const execution = await me.run(path, 'cut -d: -f1 -s < /proc/net/dev | tr -d " "');
  expect([text, execution.text("stdout")].join("").match(/\b(eth|ens|enp)\d/)).toBeNull();
});
