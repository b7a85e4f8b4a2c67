import * as z from "zod";
import { liveEnd, liveRequest, liveTarget, terminalSize } from "./live.ts";

/** Signals that a user may send to a program. */
export const userSignal = z.enum(["SIGHUP", "SIGTERM", "SIGKILL", "SIGINT", "SIGQUIT"]);
export type UserSignal = z.infer<typeof userSignal>;

/**
 * Control messages of the ground. `open` offers a session; only `go`, which is sent once, starts what changes
 * something. Its user has gone when the socket closes.
 */
export const groundControl = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("open"),
    session: z.string().min(1).max(64),
    user: z.string().min(1).max(255),
    target: liveTarget,
    request: liveRequest,
  }),
  z.object({ type: z.literal("go") }),
  z.object({ type: z.literal("resize"), size: terminalSize }),
  z.object({ type: z.literal("signal"), signal: userSignal }),
  /** end of input */
  z.object({ type: z.literal("eof") }),
]);
export type GroundControl = z.infer<typeof groundControl>;
export type OpenMessage = Extract<GroundControl, { type: "open" }>;

/** Control messages of the agent: `ready` and `started` once, in this order, and `end` as the last of all. */
export const agentControl = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  /** the process runs; of `read` with the file's size in bytes */
  z.object({ type: z.literal("started"), size: z.number().int().min(0).optional() }),
  z.object({ type: z.literal("end"), end: liveEnd }),
]);
export type AgentControl = z.infer<typeof agentControl>;

/** Features of an agent's start: it opens live sockets; it lets users execute in their pods. */
export const LIVE_FEATURES = { live: "live", exec: "live.exec" } as const;

/** The header in which the agent's upgrade request names its epoch. */
export const LIVE_EPOCH = "perigee-epoch";
