import { expect, test } from "vitest";
import { baseResolver } from "./base-resolver.ts";

/** Finds every name that it is given in `have`, by `<owner> <name>`. */
function resolverOf(have: string[], bases?: Record<string, { image: string } | { edge: string }>) {
  const store = {
    registries: ["localhost:5000"],
    resolve: async (owner: string, reference: string) =>
      have.includes(`${owner} ${reference}`) ? { id: `${owner} ${reference}`, reference } : undefined,
  };
  return baseResolver(store, "ann", { space: "kabuto", ...(bases && { bases }) });
}

test("without names of a dialect's own a name means what it means in the space", async () => {
  expect(await resolverOf(["ann.kabuto tool"])("tool")).toMatchObject({ id: "ann.kabuto tool" });
});

test.each([
  ["tool", "ann.kabuto b1"],
  ["tool:latest", "ann.kabuto b1"],
  ["localhost:5000/tool", "ann.kabuto b1"],
  ["tool:v1", "ann tool:v1"],
  ["docker.io/tool", undefined],
  ["b1", undefined],
  ["toString", undefined],
])("%s means %s", async (reference, id) => {
  const resolve = resolverOf(["ann.kabuto b1", "ann tool", "ann tool:v1"], {
    "tool:latest": { image: "b1" },
  });
  expect((await resolve(reference))?.id).toBe(id);
});

test("a name whose image is gone means no other image", async () => {
  const resolve = resolverOf(["ann tool"], { "tool:latest": { image: "b1" } });
  expect(await resolve("tool")).toBeUndefined();
});

test("an image that only another edge has is told, unless the name means another one here", async () => {
  const bases = { "tool:latest": { edge: "em2" } };
  expect((await resolverOf(["ann tool"], bases)("tool"))?.id).toBe("ann tool");
  await expect(resolverOf([], bases)("tool")).rejects.toThrow(
    'image "tool" is on edge em2, not on this one: build it here too',
  );
});
