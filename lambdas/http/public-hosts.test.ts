import { Hono } from "hono";
import { expect, test } from "vitest";
import type { GroundEnv } from "./env.ts";
import { PublicHosts, type PublicHostsOptions } from "./public-hosts.ts";

async function seen(options: PublicHostsOptions, headers: Record<string, string>) {
  const hosts = new PublicHosts(options);
  const app = new Hono<GroundEnv>().get("/", (c) =>
    c.json({ knows: hosts.knows(c), origin: hosts.origin(c), candidates: hosts.candidates(c) }),
  );
  return (await app.request("http://inside:8080/", { headers })).json();
}

const FORWARDED = {
  host: "inside:8080",
  "x-forwarded-host": "evil.example, Outside.example",
  "x-forwarded-proto": "https",
};

test("without named hosts any is meant as it is asked for", async () => {
  expect(await seen({}, { host: "A.example:1" })).toEqual({
    knows: true,
    origin: "http://a.example:1",
    candidates: ["a.example:1"],
  });
});

test("a host that is not named is known to be another, and links lead to the first", async () => {
  const hosts = ["ground.example", "ground.example:8443"];
  expect(await seen({ hosts }, { host: "a.example" })).toEqual({
    knows: false,
    origin: "http://ground.example",
    candidates: ["a.example", ...hosts],
  });
  expect(await seen({ hosts }, { host: "ground.example:8443" })).toMatchObject({
    knows: true,
    origin: "http://ground.example:8443",
  });
});

test("what a proxy forwards counts when the proxy is trusted, its own entry alone", async () => {
  expect(await seen({}, FORWARDED)).toMatchObject({
    origin: "http://inside:8080",
    candidates: ["inside:8080"],
  });
  expect(await seen({ trustProxy: true }, FORWARDED)).toEqual({
    knows: true,
    origin: "https://outside.example",
    candidates: ["inside:8080", "outside.example"],
  });
});
