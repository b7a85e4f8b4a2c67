import type { FpgaDeviceReport } from "#protocol/fpga-device.ts";
import type { NodeReport } from "#protocol/wire.ts";
import { keys } from "./keys.ts";
import type { LedgerDeps } from "./ledger-deps.ts";

export type Heartbeat = {
  /** ms since 1970, the ground's */
  at: number;
  epoch: number;
  nodes: NodeReport[];
  /** bytes on the edge, by user */
  usage: Record<string, number>;
  /** bytes free on the edge */
  free: number;
  /** every change of images and volumes up to then was reported; absent from agents of version 0.2 and older */
  reported?: boolean | undefined;
  /** devices of its nodes; absent from agents that know no FPGAs */
  fpga?: FpgaDeviceReport[] | undefined;
  /** content to and from the edge, bit/s, as its agent measured it; absent while unknown */
  uplinkBps?: number | undefined;
  downlinkBps?: number | undefined;
};

export async function lastHeartbeat({ store }: LedgerDeps, edge: string): Promise<Heartbeat | undefined> {
  return (await store.get<Heartbeat>(keys.heartbeat(edge)))?.data;
}

/** Is the last heartbeat recent enough to expect an answer? */
export async function inContact(deps: LedgerDeps, edge: string): Promise<boolean> {
  const beat = await lastHeartbeat(deps, edge);
  return beat !== undefined && deps.now() - beat.at <= deps.limits.contactMs;
}
