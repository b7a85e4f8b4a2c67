import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { killedAt } from "./support/killed-at.ts";

let deployment: Deployment;
let lane: Lane;
beforeAll(async () => {
  deployment = await deploy(1);
  lane = deployment.lanes[0]!;
});
afterAll(() => deployment?.close());

let volume: string;
let content: Buffer;
beforeEach(() => {
  volume = lane.volume("sent");
  rmSync(volume, { recursive: true, force: true });
  mkdirSync(join(volume, "dir"), { recursive: true });
  content = randomBytes(20 * MiB + 1);
  writeFileSync(join(volume, "dir/file"), content);
});

const downlink = (filepath: string) => lane.client.get("/em/files/downlink", { pod_name: "sent", filepath });
const outgoing = () => filesBeneath(join(lane.agentData, "outgoing"));

test.each(["transfers.part", "transfers.batch", "loop.before.report"])(
  "a file arrives whole though the agent dies at %s",
  async (point) => {
    const answer = await killedAt(lane, point, () => downlink("dir/file"));
    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(content)).toBe(true);
  },
);

test.each(["transfers.part", "transfers.batch"])(
  "of a directory the agent that dies at %s goes on with what it had packed",
  async (point) => {
    const answer = await killedAt(
      lane,
      point,
      () => downlink("dir"),
      () => {
        expect(outgoing()).toHaveLength(1);
        // A new tar would have this file in it.
        writeFileSync(join(volume, "dir/later"), "later");
      },
    );
    expect(answer.status).toBe(200);
    expect(answer.bytes.includes(content.subarray(0, MiB))).toBe(true);
    expect(answer.bytes.includes("later")).toBe(false);
    await expect.poll(outgoing).toEqual([]);
  },
);
