import { createRoute, z } from "@hono/zod-openapi";
import { ofAnswer } from "../docs/link.ts";
import { refusals, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";

const age = z.number().openapi({ description: "seconds since it was reported, by the ground's clock" });
const list = <T extends z.ZodRawShape>(entry: T) =>
  z
    .object({ age, truncated: z.boolean(), items: z.array(z.object(entry)) })
    .nullable()
    .openapi({
      description: "as the agent last reported them, sizes in bytes; null before the first report",
    });
/** A window as answers show it. */
export const window = z.object({
  start: z.string(),
  end: z.string(),
  station: z.string(),
  uplink_bps: z
    .number()
    .nullable()
    .openapi({ description: "expected rate to the edge, bit/s; null: not known" }),
  downlink_bps: z.number().nullable().openapi({ description: "expected rate from the edge, bit/s" }),
  uplink_bytes: z.number().nullable().openapi({ description: "what fits into what is left of the window" }),
  downlink_bytes: z.number().nullable(),
});
const contact = z.object({
  state: z.enum(["ok", "lost", "never"]),
  last: z.string().nullable(),
  age: age.nullable(),
});
const edges = z.object({
  message: z.string(),
  operator: z
    .literal(true)
    .optional()
    .openapi({ description: "only for operators: the routes of /operator answer them" }),
  data: z.array(
    z.object({
      edge: z.string(),
      default: z.boolean().openapi({ description: "meant where a request names no edge" }),
      contact,
    }),
  ),
});
const response = z.object({
  message: z.string(),
  data: z.object({
    edge: z.string(),
    contact,
    windows: z
      .object({
        revision: z.number().int().openapi({ description: "raised by every change of the plan" }),
        present: window.nullable(),
        next: window.nullable(),
        planned: z.number().int().openapi({ description: "windows that are not over yet" }),
        windows: z.array(window).openapi({ description: "the first of them, 20 at most" }),
      })
      .nullable()
      .openapi({
        description: "when contact is expected, as the operator planned it; null: there is no plan",
      }),
    held: z.object({ since: z.string() }).nullable().openapi({
      description: "the operator holds the edge: it takes commands, and none of those that wait gets a place",
    }),
    busy: z
      .object({ since: z.string(), operation: z.string().optional(), command_id: z.string().optional() })
      .nullable(),
    queued: z.number().int(),
    lanes: z
      .array(
        z.object({
          name: z.string(),
          width: z.number().int().nullable().openapi({ description: "null: its dialect is off" }),
          running: z.number().int(),
          queued: z.number().int(),
          held: z.number().int().openapi({ description: "of them, by their users" }),
          held_since: z.string().nullable().openapi({
            description: "since when the operator holds it or its edge",
          }),
          since: z.string().nullable().openapi({ description: "since when the oldest runs" }),
          waiting_since: z.string().nullable().openapi({ description: "since when the oldest waits" }),
        }),
      )
      .openapi({ description: "what each lane runs and holds back; `busy` and `queued` are of the EM's" }),
    agent: z
      .object({ version: z.string(), operations: z.array(z.string()), features: z.array(z.string()) })
      .nullable()
      .openapi({
        description: "what the edge's agent said of itself at its last start; null before the first",
      }),
    disk: z
      .object({ free: z.number().openapi({ description: "bytes free on the edge" }) })
      .nullable()
      .openapi({ description: "null before the first heartbeat" }),
    quota: z.object({
      bytes: z.number().openapi({ description: "what a user may have over volumes, images and staging" }),
      on_edge: z.number().nullable().openapi({ description: "own bytes on the edge, as last reported" }),
    }),
    nodes: z.array(z.object({ name: z.string(), kind: z.string(), status: z.string() })),
    pods: z.array(
      z.object({
        pod_name: z.string(),
        image: z.string(),
        node: z.string(),
        run: z.string(),
        state: z.unknown(),
        stopped: z.literal(true).optional().openapi({ description: "it ended because its user stopped it" }),
        age,
      }),
    ),
    fpga: z
      .array(
        z.object({
          node: z.string(),
          adapter: z.string().openapi({ description: "how it is programmed; `none`: it cannot be" }),
          driver: z.string().optional(),
          formats: z.array(z.string()),
          idcode: z.number().int().optional(),
          shell: z
            .object({ interfaceUuid: z.string().optional(), platform: z.string().optional() })
            .optional(),
          state: z
            .string()
            .openapi({ description: "the driver's own word; `stuck`: a load does not come back" }),
          loaded: z.object({ image: z.string(), run: z.string() }).optional().openapi({
            description: "own image that it was programmed with last",
          }),
        }),
      )
      .openapi({ description: "FPGAs of the edge's nodes, as last reported" }),
    images: list({
      name: z.string(),
      tag: z.string(),
      id: z.string(),
      size: z.number(),
      created: z.string(),
    }),
    volumes: list({ name: z.string(), size: z.number(), created: z.string() }),
    runners: z
      .array(
        z.object({
          environment: z.number().int(),
          wanted: z.number().int(),
          idle: z.number().int(),
          used: z.number().int(),
          reason: z.string().nullable().openapi({ description: "why the pool is smaller than wanted" }),
        }),
      )
      .openapi({ description: "own pools of runners, as last reported" }),
  }),
});

const edgeHeader = z.object({
  "Perigee-Edge": z.string().optional().openapi({ description: "Edge meant; by default the user's own" }),
});
const holdings = z.object({
  message: z.string(),
  data: z.object({
    items: z.array(
      z.object({
        dialect: z.string().openapi({ description: "the API that it was made by" }),
        kind: z.enum(["image", "fpga-image", "instance", "job", "runner", "volume"]),
        name: z.string().openapi({ description: "as that API names it" }),
        created: z.string(),
        bytes: z.number().optional(),
        state: z.string().optional().openapi({ description: "that API's own word" }),
        phase: z.enum(["waits", "runs", "ready", "ended", "failed"]).optional(),
        image: z.string().optional().openapi({ description: "what it is made of" }),
        known: z.string().optional().openapi({ description: "the pod or volume that it is in `GET /edge`" }),
        command: z.string().optional().openapi({ description: "the command that it is run by" }),
      }),
    ),
    truncated: z
      .boolean()
      .openapi({ description: "There are more: the newest 500 of an API are told, 100 of Kabuto's jobs" }),
  }),
});

/** Adds `GET /edge`, `GET /edge/holdings` and `GET /edges` to an OpenAPI document. */
export function documentEdgeRoutes(registry: Registry): void {
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/edges",
      operationId: "listEdges",
      tags: ["Edge"],
      summary: "The edges that are granted to you, each with its contact",
      security: [{ bearer: [] }],
      responses: {
        200: { description: "The edges, by name", content: { "application/json": { schema: edges } } },
        ...refusals([...WITH_TOKEN]),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/edge/holdings",
      operationId: "listHoldings",
      tags: ["Edge"],
      summary: "What you have on an edge through other APIs than the EM's: images, instances, jobs, runners",
      description: "As the ground knows it, the newest first; of Kabuto's jobs the newest 100.",
      security: [{ bearer: [] }],
      request: { headers: edgeHeader },
      responses: {
        200: { description: "What there is", content: { "application/json": { schema: holdings } } },
        ...refusals([...WITH_TOKEN, "EDGE_NOT_FOUND"]),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/edge",
      operationId: "getEdge",
      tags: ["Edge"],
      summary: "The edge as last reported: contact, nodes, own pods",
      security: [{ bearer: [] }],
      request: { headers: edgeHeader },
      responses: {
        200: {
          description: "The edge",
          content: { "application/json": { schema: response } },
          links: {
            status: {
              operationId: "getPodStatus",
              parameters: { pod_name: ofAnswer("/data/pods/0/pod_name") },
            },
            logs: { operationId: "getPodLogs", parameters: { pod_name: ofAnswer("/data/pods/0/pod_name") } },
          },
        },
        ...refusals([...WITH_TOKEN, "EDGE_NOT_FOUND"]),
      },
    }),
  );
}
