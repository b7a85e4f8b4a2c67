import { expect, test } from "vitest";
import { readyLines } from "./ready-lines.ts";

test("the address is said, and in open mode that of Poseidon's API", () => {
  const url = "http://127.0.0.1:8080";
  expect(readyLines(url, {})).toEqual([`Perigee is ready at ${url}`]);
  expect(readyLines(url, { PERIGEE_POSEIDON_OPEN_USER: "" })).toEqual([`Perigee is ready at ${url}`]);
  expect(readyLines(url, { PERIGEE_POSEIDON_OPEN_USER: "ada" })).toEqual([
    `Perigee is ready at ${url}`,
    `Poseidon's API is at ${url}/api/v1, without a token, as the user ada`,
  ]);
});
