import type { FpgaFormat } from "../checks/content-reader.ts";
import type { Registration } from "../rules.ts";

export type ImageStatus = "saving" | "active" | "error" | "deleting";

/** An image as the store holds it. Times in ms since 1970, sizes in bytes. */
export type ImageRecord = Registration & {
  id: string;
  status: ImageStatus;
  createdAt: number;
  /** of the object as it was pinned; 0 when there was none */
  bytes: number;
  sha256?: string;
  format?: FpgaFormat;
  /** what the status does not say: a code and its text, or how far it is */
  message?: string;
  /** container images that it is associated with, the earliest first */
  containers: readonly string[];
  /** its removal was asked for while its file was not yet claimed: it goes with the end of that command */
  removing?: true;
};

/** The FPGA images of one container image, the earliest first. */
export type ContainerRecord = { images: readonly string[] };

/** How many images a project has. */
export type CountRecord = { rows: number; deleting: number };

export const IMAGE_BOUNDS = {
  /** images of a project, not counting those that are being deleted */
  live: 100,
  /** rows of a project in all */
  rows: 200,
  /** FPGA images of a container image */
  ofContainer: 10,
  /** container images of an FPGA image */
  containers: 100,
} as const;

/** Keys of a project's records. */
export const keys = {
  images: (project: string) => `images#${project}`,
  image: (project: string, id: string) => ({ pk: keys.images(project), sk: id }),
  containers: (project: string) => `containers#${project}`,
  container: (project: string, id: string) => ({ pk: keys.containers(project), sk: id }),
  /** of what the checks of its file found */
  report: (project: string, id: string) => ({ pk: `reports#${project}`, sk: id }),
  /** of what the edge's agent told of its transfer */
  agentLog: (project: string, id: string) => ({ pk: `agent-logs#${project}`, sk: id }),
  count: (project: string) => ({ pk: `count#${project}`, sk: "count" }),
};
