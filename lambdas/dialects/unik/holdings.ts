import type { Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { OwnRecords } from "../own-records.ts";
import type { Owner } from "./owner.ts";
import {
  type ImageContent,
  type ImageRecord,
  type InstanceRecord,
  keys,
  type VolumeRecord,
} from "./records.ts";

/** An image that is there. */
export type Image = ImageRecord & { content: ImageContent };

/** What a user has on an edge, as it was read at once. */
export type Holdings = {
  /** revision of everything beneath */
  turn: number;
  /** those that are being made are among them */
  images: ImageRecord[];
  /** only of the images that are there: with an image its instances are gone, in one step */
  instances: InstanceRecord[];
  /** instances whose image has gone: what is left of them is to be removed */
  left: InstanceRecord[];
  volumes: VolumeRecord[];
};

const PAGE = 500;

export async function readHoldings(records: OwnRecords, owner: Owner): Promise<Holdings> {
  const found: Holdings = { turn: 0, images: [], instances: [], left: [], volumes: [] };
  // before the rest: what is written while we read makes the turn an earlier one
  found.turn = (await records.get(keys.turn(owner)))?.rev ?? 0;
  const instances: InstanceRecord[] = [];
  for await (const page of pagesOf(records, { pk: keys.own(owner), limit: PAGE })) {
    for (const { sk, data } of page) {
      if (sk.startsWith("image#")) found.images.push(data as ImageRecord);
      else if (sk.startsWith("instance#")) instances.push(data as InstanceRecord);
      else if (sk.startsWith("volume#")) found.volumes.push(data as VolumeRecord);
    }
  }
  const versions = new Map(found.images.map(({ name, content }) => [name, content?.version]));
  for (const one of instances) {
    const isThere = versions.get(one.image) === one.version;
    (isThere ? found.instances : found.left).push(one);
  }
  return found;
}

/** The images of these that are there. */
export const whole = (images: readonly ImageRecord[]): Image[] =>
  images.filter((image): image is Image => image.content !== undefined);

/** Whose volume it is for, or will be at its next start. */
export function attachedTo(
  { instances }: Pick<Holdings, "instances">,
  volume: string,
): InstanceRecord | undefined {
  return instances.find(({ mounts }) => mounts.some((mount) => mount.volume === volume));
}

/** Written with each change of what a user has on an edge; without `seen`, whatever was changed meanwhile. */
export function turnWrites(owner: Owner, seen?: number): Write[] {
  return [
    { put: { ...keys.turn(owner), data: {} }, ...(seen !== undefined && { if: seen }) },
    { put: { ...keys.edge(owner), data: { user: owner.user } } },
  ];
}
