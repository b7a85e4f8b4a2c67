import { describe } from "vitest";
import { testClaims } from "./lanes/claims.ts";
import { testFaultyRecords } from "./lanes/faulty-records.ts";
import { LanesRig, type LanesTable } from "./lanes/lanes-rig.ts";
import { testSubmissions } from "./lanes/submissions.ts";

/** The rules of several lanes, over whatever store they are given: as `ledgerConformance`. */
export function lanesConformance(name: string, makeTable: () => Promise<LanesTable>): void {
  describe(`lanes on ${name}`, () => {
    const rig = new LanesRig(makeTable);
    testClaims(rig);
    testSubmissions(rig);
    testFaultyRecords(rig);
  });
}
