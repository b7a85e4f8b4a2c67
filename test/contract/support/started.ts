import { type OwnDeployment, startOwnDeployment } from "../../support/own-deployment.ts";
import { program } from "../../support/programs.ts";
import type { Credentials } from "./target.ts";

/** A deployment that the contract suites ask, and two users of it. */
export type Started = {
  url: string;
  user: Credentials;
  other: Credentials;
  /** it was started for this run alone, and goes with it */
  own: boolean;
  /** then: the ground's data */
  data?: string;
  /** address of the object store for FPGA images, where there is one */
  objectStore?: string;
};

type Shared = { started: Promise<Started & { stop(): Promise<void> }>; users: number };

/** Vitest evaluates this file once per project: what the projects share is the process. */
const PLACE = globalThis as { perigeeContract?: Shared };

/**
 * What PERIGEE_URL names (with PERIGEE_USER, PERIGEE_PASSWORD, PERIGEE_USER2, PERIGEE_PASSWORD2, and PERIGEE_OBJECT_STORE
 * where it has an object store), else ground and agent of this tree, started as `npm start` does, on a free port with data of their own. The projects of one run share it;
 * it stops with the last {@link release}.
 */
export async function acquire(): Promise<Started> {
  PLACE.perigeeContract ??= { started: start(), users: 0 };
  PLACE.perigeeContract.users++;
  return PLACE.perigeeContract.started;
}

/** Whoever acquired it needs it no more. */
export async function release(): Promise<void> {
  const shared = PLACE.perigeeContract;
  if (!shared || --shared.users > 0) return;
  delete PLACE.perigeeContract;
  await (await shared.started).stop();
}

async function start(): Promise<Started & { stop(): Promise<void> }> {
  const url = process.env.PERIGEE_URL?.replace(/\/+$/, "");
  if (url) {
    const user = { name: required("PERIGEE_USER"), password: required("PERIGEE_PASSWORD") };
    const other = { name: required("PERIGEE_USER2"), password: required("PERIGEE_PASSWORD2") };
    const objectStore = process.env.PERIGEE_OBJECT_STORE;
    return { url, user, other, own: false, ...(objectStore && { objectStore }), stop: async () => {} };
  }
  const own: OwnDeployment = await startOwnDeployment(
    {
      PERIGEE_DIALECTS: "em,kabuto,poseidon,fpga",
      PERIGEE_OBS_PORT: "0",
      PERIGEE_KABUTO_REGISTRATION: "open",
      PERIGEE_RELEASE: "contract",
    },
    // a bundle has the pages beside it
    { ground: program("server"), agent: program("agent") },
  );
  const { url: at, user, other, data, listeners } = own;
  const objectStore = listeners["object store"];
  return {
    ...{ url: at, user, other, own: true, data, stop: () => own.stop() },
    ...(objectStore !== undefined && { objectStore }),
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}
