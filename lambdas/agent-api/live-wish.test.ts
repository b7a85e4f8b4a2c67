import { expect, test } from "vitest";
import { withSpares } from "./live-wish.ts";

test("spare sockets are for edges that have environments, not for those that had some", () => {
  expect(withSpares(undefined, { environments: 1 })).toEqual({ sockets: 4 });
  expect(withSpares({ sockets: 7 }, { environments: 1 })).toEqual({ sockets: 7 });
  expect(withSpares(undefined, { environments: 0 })).toBeUndefined();
  expect(withSpares({ sockets: 1 }, undefined)).toEqual({ sockets: 1 });
});

test("spare sockets are opened at the relay's address also before there was a session that told it", () => {
  const url = "https://live.example";
  expect(withSpares(undefined, { environments: 1 }, url)).toEqual({ sockets: 4, url });
  expect(withSpares({ sockets: 1, url: "https://other" }, { environments: 1 }, url)).toEqual({
    sockets: 4,
    url: "https://other",
  });
  expect(withSpares(undefined, undefined, url)).toBeUndefined();
});
