import { expect, test } from "vitest";
import { withSpares } from "./live-wish.ts";

test("spare sockets are for edges that have environments, not for those that had some", () => {
  expect(withSpares(undefined, { environments: 1 })).toEqual({ sockets: 4 });
  expect(withSpares({ sockets: 7 }, { environments: 1 })).toEqual({ sockets: 7 });
  expect(withSpares(undefined, { environments: 0 })).toBeUndefined();
  expect(withSpares({ sockets: 1 }, undefined)).toEqual({ sockets: 1 });
});
