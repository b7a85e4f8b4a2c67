import type { Key } from "../../../ports/ledger-store.ts";
import type { HubUser, Published } from "../records.ts";

/** An image as it was pushed: one version for each owner and name. */
export type HubEntry = HubUser & {
  name: string;
  /** of its archive in staging */
  key: string;
  bytes: number;
  xxh64: string;
  /** of its programs; empty where nobody knows */
  architecture: string;
  /** as it was where it was pushed */
  image: Published;
};

/** A push that has not ended keeps so many bytes of its owner's. */
export type PushRecord = { bytes: number };

/** What is to be removed from staging since `at`; `done`: it was, and is once more, as something may have come after. */
export type GoneRecord = { at: number; done?: true };

/**
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `hub` | `<name>/<uid>` | {@link HubEntry}: what everybody may see |
 * | `hub#<uid>` | `turn` | `{}`: written with every push, so that none is let in by what another has taken |
 * | | `entry#<name>` | {@link HubEntry} |
 * | | `push#<command>` | {@link PushRecord} |
 * | `hub-gone` | prefix in staging | {@link GoneRecord} |
 */
export const hubKeys = {
  all: "hub",
  listed: ({ name, uid }: Pick<HubEntry, "name" | "uid">): Key => ({ pk: hubKeys.all, sk: `${name}/${uid}` }),
  own: (uid: string) => `hub#${uid}`,
  turn: (uid: string): Key => ({ pk: hubKeys.own(uid), sk: "turn" }),
  entry: ({ name, uid }: Pick<HubEntry, "name" | "uid">): Key => ({
    pk: hubKeys.own(uid),
    sk: `${ENTRY}${name}`,
  }),
  push: (uid: string, command: string): Key => ({ pk: hubKeys.own(uid), sk: `${PUSH}${command}` }),
  gone: "hub-gone",
  goneOne: (prefix: string): Key => ({ pk: hubKeys.gone, sk: prefix }),
};
export const ENTRY = "entry#";
export const PUSH = "push#";

/** First part of the hub's keys in staging. */
export const HUB = "hub";

/** Beginning of the keys of an account's entries in staging. */
export const hubPrefix = (uid: string) => `${HUB}/${uid}/`;

/** Where the archive of a push lies: a later one of the same image lies beside it. */
export const archiveKey = (uid: string, command: string) => `${hubPrefix(uid)}${command}`;
