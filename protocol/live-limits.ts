import { KiB, MiB } from "./limits.ts";

/** Bounds of live sessions (docs/live.md lists them). Sizes in bytes, times in ms. */
export const LIVE_LIMITS = {
  /** payload of one frame */
  frameBytes: 16 * KiB,
  /** one control message, over all its frames */
  controlBytes: 8 * MiB,
  /** one of the agent: its longest is an end with 8,192 characters */
  agentControlBytes: 64 * KiB,
  /** what may be under way in one direction */
  creditBytes: 256 * KiB,
  /** credit is granted in pieces of this size, or of a quarter of the window where that is less */
  grantBytes: 32 * KiB,
  /** what both sides begin with, whatever their versions */
  firstCreditBytes: 32 * KiB,
  /** of a file session, while an execution of the same edge is busy: 0.8 s of a link of 256 kbit/s */
  sharedCreditBytes: 24 * KiB,
  /** an execution is busy for this long after it moved a byte */
  busyMs: 5_000,
  /** what a ticket may hold, as JSON */
  ticketBytes: 2 * MiB,
  pingMs: 20_000,
  /** an agent's socket without any byte for this long is dead */
  deadMs: 45_000,
  /** an agent's socket has this long to say `ready`, or three times its round trip, at most `readyMostMs` */
  readyMs: 3_000,
  readyMostMs: 15_000,
  /** a session that no agent took within this is UNREACHABLE */
  takenMs: 30_000,
  sessionMs: 24 * 3600_000,
  perEdge: 128,
  perUser: 64,
  perRunner: 16,
  /** sockets that wait beside those that sessions wait for, while the edge is in use */
  spares: 4,
  /** an edge is in use for this long after its last session */
  spareMs: 10 * 60_000,
  /** the relay's record is renewed this often, and taken over when it did not change for `relayTakeOverMs` */
  relayRenewMs: 10_000,
  relayTakeOverMs: 30_000,
  /** a program that is to end has this long */
  stopMs: 3_000,
  /** what a session worked in is gone: its edge has this long to know why, which a busy cluster tells late */
  whyGoneMs: 15_000,
  /** how long a user's live URL is good */
  ticketMs: 60_000,
  /** unused live URLs of one pod */
  ticketsPerTarget: 16,
  /** how long begin and end of a session are noted */
  noteMs: 7 * 24 * 3600_000,
  /** sessions of one user that are noted: the oldest go first (up to 50 more for a while) */
  notesPerUser: 1_000,
} as const;
