import { expect, test } from "vitest";
import { nameAndTag, pullBackOff } from "./image-reference.ts";

test.each([
  ["busybox", "busybox", "latest"],
  ["python:3.11-alpine", "python", "3.11-alpine"],
  ["team/app:v1", "team/app", "v1"],
  ["docker.io/library/python:3", "python", "3"],
  ["registry.local:5000/a/b", "a/b", "latest"],
  ["localhost/x:1", "x", "1"],
  [`x@sha256:${"0".repeat(64)}`, "x", "latest"],
])("%s is %s:%s", (reference, name, tag) => {
  expect(nameAndTag(reference)).toEqual({ name, tag });
});

test("the message names the user's own image, with a tag that was given", () => {
  expect(pullBackOff("client1", "app:v2")).toMatch(
    /^Back-off pulling image "client1-app:v2": ErrImagePull: /,
  );
  expect(pullBackOff("client1", "app:v2")).toContain("docker.io/library/client1-app:v2: not found");
});
