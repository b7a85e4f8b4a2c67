import { expect, test } from "vitest";
import { basesOf } from "./own-bases.ts";

test("of images with one name the newest on the edge counts, else the edge that has one", () => {
  const images = [
    { name: "tool", edge: "em1", ref: "b1" },
    { name: "tool:latest", edge: "em1", ref: "b2" },
    { name: "tool", edge: "em2", ref: "b3" },
    { name: "far", edge: "em2", ref: "b4" },
    { name: "a/b:v1", edge: "em1", ref: "b5" },
    { name: "My image", edge: "em1", ref: "b6" },
    { name: "docker.io/tool", edge: "em1", ref: "b7" },
  ];
  expect(basesOf(images, "em1")).toEqual({
    "tool:latest": { image: "b2" },
    "far:latest": { edge: "em2" },
    "a/b:v1": { image: "b5" },
  });
});
