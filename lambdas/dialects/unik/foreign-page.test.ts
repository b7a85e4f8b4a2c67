import { expect, test } from "vitest";
import { isForeignPage } from "./foreign-page.ts";

const HOSTS = ["ground:8080", "public.example"];

test.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ origin: "http://ground:8080" }, false],
  // a proxy stands before the ground
  [{ origin: "https://Public.example" }, false],
  [{ origin: "http://ground" }, true],
  [{ origin: "https://public.example.evil" }, true],
  [{ origin: "null" }, true],
  [{ origin: "" }, true],
  [{ "sec-fetch-site": "same-origin" }, false],
  [{ "sec-fetch-site": "Cross-Site" }, true],
  [{ origin: "http://ground:8080", "sec-fetch-site": "same-site" }, true],
])("of a request with %j: %j", (headers, isForeign) => {
  expect(isForeignPage((name) => headers[name], HOSTS)).toBe(isForeign);
});
