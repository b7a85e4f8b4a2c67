import type { FpgaImage } from "#protocol/fpga-image.ts";

/** The command that stores an image, under its id: until it has ended and nothing of it is staged. */
export type StoreRecord = {
  user: string;
  uid: string;
  edge: string;
  project: string;
  image: string;
  /** of the pinned object, number 0 under it; ends in a slash */
  prefix: string;
  /** of the object; absent when there was none */
  bytes?: number;
  /** a process reads the file, until then at the latest: others leave it alone */
  checkedUntil?: number;
  /** that process, by its mark: when it has ended, nobody waits for it */
  reader?: string;
  /** what the checks came to: what the edge is given, and what the image says when it is active */
  checked?: { input: FpgaImage; note?: string };
};

/**
 * The command that deletes an image on the edge, or the run that this waits for, under its id: until it has succeeded. Of
 * an image that is already forgotten here it may be noted before there is a command, under an id of its own.
 */
export type DeletionRecord = {
  user: string;
  edge: string;
  project: string;
  image: string;
  /** its record went with its user or grant: this note alone says that the edge may have it */
  forgotten?: true;
};

export const workKeys = {
  stores: "stores",
  store: (command: string) => ({ pk: workKeys.stores, sk: command }),
  /** edges on which an account has registered something or made keys, for its removal */
  projects: (uid: string) => `projects#${uid}`,
  project: (uid: string, edge: string) => ({ pk: workKeys.projects(uid), sk: edge }),
  deletions: "deletions",
  deletion: (command: string) => ({ pk: workKeys.deletions, sk: command }),
};
