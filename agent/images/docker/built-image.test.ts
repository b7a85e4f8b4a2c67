import { expect, test } from "vitest";
import { refusalOfBuilt } from "./built-image.ts";

const OWN = { "perigee.image": "i", "perigee.image.user": "alice" };

test.each([
  [{ ...OWN, version: "1" }, [], undefined],
  [{ ...OWN, "perigee.run": "x" }, [], /reserved label "perigee.run"/],
  [{ ...OWN, "Perigee.Run": "x" }, [], /reserved/],
  [{ ...OWN, "perigee.image": "other" }, [], /reserved/],
  [{ ...OWN, "perigee.image.user": "bob" }, [], /reserved/],
  [{ "perigee.image": "i" }, [], /lacks a label/],
  [{}, [], /lacks a label/],
  [OWN, ["RUN make", "LABEL a=$X"], undefined],
  [OWN, ["LABEL a=b\u00a0perigee.run=1"], /reserved/],
  [OWN, ["LABEL $X=1"], /variables/],
  [OWN, ["RUN a\nLABEL perigee.run=1"], /single instruction/],
  [OWN, ["# escape=`\nLABEL per`igee.run=1"], /reserved/],
  [OWN, ["FROM x"], /isn't allowed/],
  [OWN, [""], /empty/],
])("what was built with %j and %j", (labels, onBuild, refusal) => {
  const found = refusalOfBuilt({ labels, onBuild }, OWN);
  if (refusal === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(refusal);
});
