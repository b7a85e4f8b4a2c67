import { expect, test } from "vitest";
import { checkDialects } from "./dialects/check-dialects.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { DIALECTS } from "./dialects/index.ts";
import { groundSettings } from "./ground-settings.ts";

const names = (environment: NodeJS.ProcessEnv) =>
  groundSettings(environment).dialects?.map(({ name }) => name);

test("all dialects are on unless some are named", () => {
  const all = DIALECTS.map(({ name }) => name);
  expect(names({})).toEqual(all);
  expect(names({ PERIGEE_DIALECTS: "" })).toEqual(all);
  expect(names({ PERIGEE_DIALECTS: " em, " })).toEqual(["em"]);
  expect(() => names({ PERIGEE_DIALECTS: "em,kabutto" })).toThrow(
    `PERIGEE_DIALECTS: there is no dialect "kabutto", only ${all.join(", ")}, kabuto`,
  );
  // not whole yet: on only where it is named
  expect(all).not.toContain("kabuto");
  expect(names({ PERIGEE_DIALECTS: "em,kabuto" })).toEqual(["em", "kabuto"]);
});

test("widths are the operator's, but for the EM's lock", () => {
  expect(groundSettings({}).widths).toEqual({});
  expect(groundSettings({ PERIGEE_LANES: "em=1" }).widths).toEqual({ em: 1 });
  for (const [text, message] of [
    ["em=2", "the width of em is 1"],
    ["other=2", "there is no lane other, only em"],
    ["em", '"em" is not <lane>=<width from 1 to 1000>'],
    ["em=0", '"em=0" is not'],
    ["em=1,em=1", "em is given twice"],
  ]) {
    expect(() => groundSettings({ PERIGEE_LANES: text }), text).toThrow(`PERIGEE_LANES: ${message}`);
  }
});

test("public hosts are hosts", () => {
  const hosts = "ground.example, ground.example:8443,[::1]:80";
  expect(groundSettings({ PERIGEE_PUBLIC_HOSTS: hosts }).publicHosts).toHaveLength(3);
  for (const wrong of ["https://ground.example", "a/b", "a b"]) {
    expect(() => groundSettings({ PERIGEE_PUBLIC_HOSTS: wrong })).toThrow("PERIGEE_PUBLIC_HOSTS");
  }
});

test("two dialects, or one and the core, share no name, lane, path or prefix of staging", () => {
  const [em] = DIALECTS as [Dialect];
  const other: Dialect = {
    ...em,
    name: "other",
    lanes: [{ ...em.lanes[0]!, name: "other" }],
    paths: ["/other/*"],
  };
  expect(() => checkDialects([em, other])).not.toThrow();
  for (const [change, message] of [
    [{ name: "edge" }, "cannot be called edge"],
    [{ name: "em" }, "share the name em"],
    [{ lanes: em.lanes }, "share the lane em"],
    [{ lanes: [] }, "has no lane"],
    [{ paths: ["/em/files"] }, "both answer at /em/"],
    [{ paths: ["/commands/:id"] }, "dialects other and perigee both answer at /commands/*"],
    [{ stagingPrefixes: [{ prefix: "uplink" }] }, "cannot begin with uplink"],
  ] as const) {
    expect(() => checkDialects([em, { ...other, ...change }])).toThrow(message);
  }
});
