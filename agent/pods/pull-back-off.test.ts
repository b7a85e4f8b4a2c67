import { expect, test } from "vitest";
import { pullBackOff } from "./pull-back-off.ts";

test("the message names the user's own image, with a tag that was given", () => {
  expect(pullBackOff("client1", "app:v2")).toMatch(
    /^Back-off pulling image "client1-app:v2": ErrImagePull: /,
  );
  expect(pullBackOff("client1", "app:v2")).toContain("docker.io/library/client1-app:v2: not found");
});
