import * as z from "zod";
import { GiB, MiB } from "#protocol/limits.ts";
import { NODE_KINDS } from "#protocol/names.ts";

const labels = z.record(z.string(), z.string());
const bytes = z.number().int().positive();

const kind = z
  .object({
    labels,
    resources: z.record(z.string(), z.union([z.string(), z.number().int().positive()])).default({}),
    tolerations: z
      .array(
        z
          .object({
            key: z.string().optional(),
            operator: z.enum(["Exists", "Equal"]).optional(),
            value: z.string().optional(),
            effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
          })
          .strict(),
      )
      .default([]),
  })
  .strict();

/** The agent's `kubernetes` setting; every field has a default. docs/operations.md describes it. */
export const kubernetesConfig = z
  .object({
    /** path; without it the service account of the pod that the agent is */
    kubeconfig: z.string().optional(),
    /** of the kubeconfig, instead of its current one */
    context: z.string().optional(),
    /** begins the names of the users' namespaces */
    prefix: z
      .string()
      .regex(/^[a-z](?:[a-z0-9]{0,11})$/)
      .default("perigee"),
    /** the nodes of each kind by their labels, their device resources and taints */
    kinds: z.partialRecord(z.enum(NODE_KINDS), kind).default({
      FPGA: { labels: { "perigee.kind": "fpga" }, resources: {}, tolerations: [] },
      GPU: { labels: { "perigee.kind": "gpu" }, resources: {}, tolerations: [] },
      MPU: { labels: { "perigee.kind": "mpu" }, resources: {}, tolerations: [] },
    }),
    /** the names' server for pods, which must know services alone; without an address pods have no names */
    dns: z
      .object({
        address: z.ipv4().optional(),
        domain: z.string().default("cluster.local"),
        namespace: z.string().default("perigee-system"),
        labels: labels.default({ app: "perigee-dns" }),
      })
      .strict()
      .prefault({}),
    /** how nodes reach the volumes' directory */
    storage: z
      .object({
        kind: z.enum(["shared", "local"]).default("shared"),
        /** the node that has local volumes */
        node: z.string().optional(),
        /** where the nodes have the directory of the volumes; default: where the agent has it */
        path: z.string().startsWith("/").optional(),
      })
      .strict()
      .refine(({ kind, node }) => kind === "shared" || node !== undefined, "local volumes need a node")
      .prefault({}),
    /** how devices on nodes are programmed (docs/fpga.md); absent: none is */
    fpga: z
      .object({
        /** the agent's own, as the nodes know it; the admission policy names it too */
        image: z.string().min(1),
        /** where the nodes have the directory of the files for FPGAs; default: where the agent has it */
        store: z.string().startsWith("/").optional(),
      })
      .strict()
      .optional(),
    /** what each pod reserves; its limits are those of `pod` */
    requests: z
      .object({ memoryBytes: bytes.default(64 * MiB), cpus: z.number().positive().default(0.05) })
      .strict()
      .prefault({}),
    /** bytes that a pod may write outside its volume, its log included */
    scratchBytes: bytes.default(4 * GiB),
    /** what the pods of one user may use together */
    quota: z
      .object({
        pods: z.number().int().positive().default(32),
        cpus: z.number().positive().optional(),
        memoryBytes: bytes.optional(),
        /** device resources, by their names in `kinds` */
        resources: z.record(z.string(), z.number().int().nonnegative()).default({}),
      })
      .strict()
      .prefault({}),
    /** how long a node may be out of reach before its pods are given up */
    nodeLostSeconds: z.number().int().nonnegative().default(300),
  })
  .strict();

export type KubernetesConfig = z.infer<typeof kubernetesConfig>;
