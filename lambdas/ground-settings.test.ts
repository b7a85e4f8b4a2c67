import { expect, test } from "vitest";
import { checkDialects } from "./dialects/check-dialects.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { DIALECTS } from "./dialects/index.ts";
import { checkedSettings, settingsOnThisMachine } from "./dialects/own-settings.ts";
import { groundSettings } from "./ground-settings.ts";

const LANES = DIALECTS.flatMap(({ lanes }) => lanes.map(({ name }) => name));
const names = (environment: NodeJS.ProcessEnv) =>
  groundSettings(environment).dialects?.map(({ name }) => name);

test("all dialects are on unless some are named", () => {
  const all = DIALECTS.map(({ name }) => name);
  expect(names({})).toEqual(all);
  expect(names({ PERIGEE_DIALECTS: "" })).toEqual(all);
  expect(names({ PERIGEE_DIALECTS: " em, " })).toEqual(["em"]);
  expect(() => names({ PERIGEE_DIALECTS: "em,kabutto" })).toThrow(
    `PERIGEE_DIALECTS: there is no dialect "kabutto", only ${all.join(", ")}`,
  );
  expect(all).toEqual(["em", "kabuto", "poseidon"]);
});

test("dialects' own settings are checked before anything is served, those of a dialect that is off are not", () => {
  const given = {
    PERIGEE_KABUTO_REGISTRATION: "confirm",
    PERIGEE_KABUTO_USERS: "0",
    PERIGEE_KABUTO_EDGES: "em1, em-2",
    PERIGEE_KABUTO_MAX_DURATION: "60",
    PERIGEE_KABUTO_REPOSITORIES: "https://hg.example/flight/,http://hg.example:8000/",
  };
  expect(groundSettings(given).settings).toEqual(given);
  expect(checkedSettings(DIALECTS, { ...given, PERIGEE_KABUTO_USERS: "", HOME: "/" })).toEqual({
    ...given,
    PERIGEE_KABUTO_USERS: undefined,
  });
  for (const [name, value, rule] of [
    ["PERIGEE_KABUTO_REGISTRATION", "opne", "is none of closed, open, confirm"],
    ["PERIGEE_KABUTO_USERS", "many", "is no whole number up to 999999"],
    ["PERIGEE_KABUTO_USERS", "-1", "is no whole number up to 999999"],
    ["PERIGEE_KABUTO_EDGES", "em1,em_2", 'names "em_2", which cannot be an edge'],
    ["PERIGEE_KABUTO_MAX_DURATION", "0", "is no whole number of minutes from 1"],
    [
      "PERIGEE_KABUTO_REPOSITORIES",
      "file:///srv/hg",
      'names "file:///srv/hg": a prefix is an http or https URL',
    ],
    ["PERIGEE_KABUTO_REPOSITORIES", "https://a:b@hg.example/", "without user, password, query and fragment"],
    ["PERIGEE_KABUTO_REPOSITORIES", "hg.example", 'names "hg.example"'],
    ["PERIGEE_POSEIDON_POOL_THRESHOLD", "1.5", "is no number from 0 to 1"],
    ["PERIGEE_POSEIDON_POOL_THRESHOLD", "half", "is no number from 0 to 1"],
    ["PERIGEE_POSEIDON_OPEN_USER", "A b", "cannot be a user"],
  ] as const) {
    const wrong = { [name]: value };
    expect(() => groundSettings(wrong), name).toThrow(`${name}: ${JSON.stringify(value)} `);
    expect(() => groundSettings(wrong), name).toThrow(rule);
    expect(() => groundSettings({ ...wrong, PERIGEE_DIALECTS: "em" })).not.toThrow();
  }
});

test("what a ground that nobody else reaches is started with, unless the operator says it", () => {
  const { set, notes } = settingsOnThisMachine(DIALECTS, {});
  expect(set).toEqual({ PERIGEE_KABUTO_REGISTRATION: "open" });
  expect(notes).toEqual([expect.stringContaining("PERIGEE_KABUTO_REGISTRATION=closed")]);
  const said = { set: {}, notes: [] };
  expect(settingsOnThisMachine(DIALECTS, { PERIGEE_KABUTO_REGISTRATION: "closed" })).toEqual(said);
  expect(settingsOnThisMachine([DIALECTS[0]!], {})).toEqual(said);
});

test("widths are the operator's, but for the EM's lock", () => {
  expect(groundSettings({}).widths).toEqual({});
  expect(groundSettings({ PERIGEE_LANES: "em=1" }).widths).toEqual({ em: 1 });
  for (const [text, message] of [
    ["em=2", "the width of em is 1"],
    ["other=2", `there is no lane other, only ${LANES.join(", ")}`],
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
    [{ name: "submission" }, "cannot be called submission"],
    [{ name: "windows" }, "cannot be called windows"],
    [{ name: "em" }, "share the name em"],
    [{ lanes: em.lanes }, "share the lane em"],
    [{ lanes: [] }, "has no lane"],
    [{ paths: ["/em/files"] }, "both answer at /em/"],
    [{ paths: ["/operator/all"] }, "both answer at /operator/"],
    [{ paths: ["/commands/:id"] }, "dialects other and perigee both answer at /commands/*"],
    [{ stagingPrefixes: [{ prefix: "uplink" }] }, "cannot begin with uplink"],
  ] as const) {
    expect(() => checkDialects([em, { ...other, ...change }])).toThrow(message);
  }
});
