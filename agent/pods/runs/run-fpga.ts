import type { FpgaImage } from "#protocol/fpga-image.ts";
import type { NodeReport } from "#protocol/wire.ts";

/** A load that did not succeed; the code is the first word of the run's message. */
export type LoadFailure = { code: string; message: string };

/** A node that is meant by a run. */
export type MeantNode = { name: string; isReady: boolean };

/** What runs need of the edge's FPGAs, and of the files for them. */
export interface RunFpga {
  /** An image that the edge holds. */
  find(user: string, image: string): FpgaImage | undefined;
  /** The nodes, without those whose device does not come back from a load. */
  usable(nodes: readonly NodeReport[]): NodeReport[];
  /**
   * The device for an image, of the nodes that are meant; `waits`: why there is none now.
   * @param held nodes whose device a run holds
   */
  choose(
    image: FpgaImage,
    nodes: readonly MeantNode[],
    held: ReadonlySet<string>,
  ): { node: string } | { waits: string } | LoadFailure;
  /** How many loads of a run were begun and came to no end, as the agent died in them. */
  interruptions(run: string): number;
  /** Programs the node's device for a run, noted before it begins. @returns why it did not succeed */
  load(of: { run: string; user: string; node: string; image: FpgaImage }): Promise<LoadFailure | undefined>;
  /** Was the last load of the node's device this run's, and did it succeed? */
  isLoaded(node: string, run: string): boolean;
  /** Device files of the host that the run which holds the node's device gets. */
  filesOf(node: string): readonly string[];
  /** What the pod of that run asks its cluster for, by its name. */
  resourceOf(node: string): string | undefined;
  /** A run of the user no longer needs its file: it goes when its image has gone. Never throws. */
  released(user: string): void;
}

/** What a run's record says of its FPGA image. */
export type RunOfImage = {
  /** as the edge held it when the run was accepted: its bytes stay until the run has started */
  held?: FpgaImage;
  /** node whose device it holds until it has ended */
  device?: string;
};
