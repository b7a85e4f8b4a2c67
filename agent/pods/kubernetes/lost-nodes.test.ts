import { beforeEach, expect, test } from "vitest";
import { KubernetesRefusal } from "./errors.ts";
import { LostNodes } from "./lost-nodes.ts";
import type { Node } from "./types.ts";

let node: Node | undefined;
let now: number;
let nodes: LostNodes;
beforeEach(() => {
  now = 1_000_000;
  stand("True", "t0");
  const call = async () => {
    if (!node) throw new KubernetesRefusal(404, "NotFound", "no such node");
    return node as never;
  };
  nodes = new LostNodes({ call }, 300, () => now);
});

function stand(status: "True" | "False" | "Unknown", lastTransitionTime: string, uid = "1"): void {
  node = {
    metadata: { name: "n", uid, resourceVersion: "1" },
    status: { conditions: [{ type: "Ready", status, lastTransitionTime }] },
  };
}

const after = (seconds: number) => {
  now += seconds * 1000;
  return nodes.look("n");
};

test("a node is given up when it was seen away for so long, and not before", async () => {
  expect(await nodes.look("n")).toBe("ready");
  // Away for an hour already, says the cluster's clock: ours decides.
  stand("Unknown", "an hour ago");
  expect(await after(3600)).toBe("away");
  expect(await after(299)).toBe("away");
  expect(await after(1)).toBe("lost");
});

test("one that came back begins anew, also when nobody looked meanwhile, or it is another by its name", async () => {
  stand("Unknown", "t1");
  expect(await after(0)).toBe("away");
  stand("True", "t2");
  expect(await after(200)).toBe("ready");
  stand("Unknown", "t3");
  expect(await after(200)).toBe("away");
  stand("Unknown", "t5");
  expect(await after(301)).toBe("away");
  stand("Unknown", "t5", "2");
  expect(await after(301)).toBe("away");
});

test("one whose object is gone is lost at once", async () => {
  node = undefined;
  expect(await nodes.look("n")).toBe("lost");
});

test("it counts from when its absence was first seen, by whomever", async () => {
  stand("False", "t1");
  nodes.see([node!]);
  expect(await after(300)).toBe("lost");
});
