import { createHash } from "node:crypto";
import type { Key } from "../../ports/ledger-store.ts";
import type { Owner } from "./owner.ts";

/** How instances of an image are run. */
export type Provider = "docker" | "kubernetes" | "qemu";

/** What an image is once it is made. Times in ms since 1970. */
export type ImageContent = {
  /** the command that made it: instances belong to this, and go when another takes its place */
  version: string;
  /** what the edge knows it by */
  ref: string;
  provider: Provider;
  compiler: string;
  createdAt: number;
  bytes: number;
  /** in the order in which they were given */
  mountPoints: string[];
  ports: number[];
};

/** What others are told of an image: nothing of what its edge knows it by. */
export type Published = Omit<ImageContent, "version" | "ref">;

/** An account to which entries of the hub belong: a name that is given anew does not get those of its predecessor. */
export type HubUser = { user: string; uid: string };

export type ImageRecord = {
  name: string;
  /** absent: it is being made for the first time */
  content?: ImageContent;
  /** the command that is making it, or making it anew */
  making?: string;
};

export type InstanceRecord = {
  id: string;
  name: string;
  image: string;
  version: string;
  provider: Provider;
  createdAt: number;
  pod: string;
  /** the command of its latest run */
  run: string;
  /** the edge has taken that run in: from then on it tells of it */
  accepted?: true;
  /** volumes by the mount points of its image; absent: none is attached there now */
  mounts: { at: string; volume?: string }[];
  memoryMb: number;
  env: Record<string, string>;
};

export type VolumeRecord = {
  name: string;
  /** what the edge knows it by */
  volume: string;
  provider: Provider;
  createdAt: number;
  /** its limit; absent: its content counts */
  sizeMb?: number;
  /** the command that is making it */
  making?: string;
};

/** What a command is for; it is there until the command has ended. */
export type OfCommand = Owner &
  (
    | { does: "create"; name: string; content: Omit<ImageContent, "bytes" | "ports" | "createdAt"> }
    | { does: "removeImage"; name: string; version: string }
    | { does: "run"; instance: string }
    | { does: "removeInstance"; instance: string }
    | { does: "start"; instance: string; before: InstanceRecord }
    | { does: "stop"; instance: string }
    | { does: "push"; hub: HubUser; name: string; image: Published }
    | { does: "export" }
    | { does: "createVolume" | "removeVolume"; name: string }
  );

/**
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `own#<uid>#<edge>` | `turn` | `{}`: written with every change of what is beneath the key, so that none is decided by what has changed |
 * | | `image#<name>`, `instance#<id>`, `volume#<name>` | the record |
 * | `edges#<uid>` | edge | `{user}`: the user has something there |
 * | `command#<id>` | `of` | {@link OfCommand} |
 * | `key#<uid>` | edge and Idempotency-Key | {@link KeyRecord} |
 * | `repeat#<uid>#<edge>` | digest of an object | RepeatRecord in repeat-record.ts: expires after a minute |
 * | `gone-pods` | edge, user and pod | {@link GonePod} |
 * | `leases` | instance's id | {@link LeaseRecord} |
 * | `left` | uid and edge | the Owner: an image has ended there, and its instances are to be tidied away |
 *
 * Those of the hub are in hub/hub-records.ts.
 */
export const keys = {
  own: ({ uid, edge }: Pick<Owner, "uid" | "edge">) => `own#${uid}#${edge}`,
  turn: (owner: Owner): Key => ({ pk: keys.own(owner), sk: "turn" }),
  image: (owner: Owner, name: string): Key => ({ pk: keys.own(owner), sk: `image#${name}` }),
  instance: (owner: Owner, id: string): Key => ({ pk: keys.own(owner), sk: `instance#${id}` }),
  volume: (owner: Owner, name: string): Key => ({ pk: keys.own(owner), sk: `volume#${name}` }),
  edges: (uid: string) => `edges#${uid}`,
  edge: ({ uid, edge }: Owner): Key => ({ pk: keys.edges(uid), sk: edge }),
  command: (id: string): Key => ({ pk: `command#${id}`, sk: "of" }),
  key: ({ uid, edge }: Owner, key: string): Key => ({ pk: `key#${uid}`, sk: `${edge}#${key}` }),
  repeat: ({ uid, edge }: Owner, object: string): Key => ({
    pk: `repeat#${uid}#${edge}`,
    sk: createHash("sha256").update(object).digest("hex"),
  }),
  gonePods: "gone-pods",
  gonePod: ({ edge, user, pod }: Pick<GonePod, "edge" | "user" | "pod">): Key => ({
    pk: keys.gonePods,
    sk: `${edge}#${user}#${pod}`,
  }),
  left: "left",
  leftOf: ({ uid, edge }: Pick<Owner, "uid" | "edge">): Key => ({ pk: keys.left, sk: `${uid}#${edge}` }),
  leases: "leases",
  lease: (instance: string): Key => ({ pk: keys.leases, sk: instance }),
};

/**
 * What is kept beside the records of an instance is to be removed since `at`; `done`: it was, and is once more. `mayRun`: the
 * edge was only being asked to remove it.
 */
export type GonePod = { user: string; edge: string; pod: string; at: number; done?: true; mayRun?: boolean };

/** The stream that holds it was there at `at`: whoever reads its log last takes its instance along. */
export type LeaseRecord = Owner & { instance: string; at: number };

/** What an Idempotency-Key was used for, and when. */
export type KeyRecord = { digest: string; command: string; at: number };
