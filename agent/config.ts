import { readFileSync } from "node:fs";
import * as z from "zod";
import { GiB, LIMITS } from "#protocol/limits.ts";
import { NODE_KINDS } from "#protocol/names.ts";
import { fpgaDevice } from "./fpga/device-config.ts";
import { LOADER_ADAPTERS } from "./fpga/loader/loader-task.ts";
import { kubernetesConfig } from "./pods/kubernetes/config.ts";
import { JOB_PLACES } from "./resources/resources-of.ts";

const HOST_PORT = /^[A-Za-z0-9.-]+:[0-9]{1,5}$/;

const DEFAULT_NODES = [
  { name: "fpga", kind: "FPGA" as const, ready: true },
  { name: "gpu", kind: "GPU" as const, ready: true },
  { name: "mpu1", kind: "MPU" as const, ready: true },
];

/** A network, as `127.88.0.0/16`, that has room for some addresses. */
const range = z
  .cidrv4()
  .refine((cidr) => Number(cidr.split("/")[1]) <= 30, "must have two addresses at least");
const port = z.number().int().min(1).max(65_535);
const instanceAddresses = z.preprocess(
  (value) => (typeof value === "string" ? { range: value } : value),
  z
    .object({
      /** of this machine, one for each instance in its engine: the agent listens there */
      range: range.optional(),
      /** on a cluster: networks that reach the pods of instances */
      from: z.array(z.cidrv4()).max(32).default([]),
      /** never listened at: what is listened at here cannot be by a service that listens at all addresses */
      closedPorts: z.array(port).max(64).default([22]),
    })
    .strict()
    .prefault({}),
);

/** The agent's configuration file (JSON); every field has a default. docs/operations.md describes it. */
const fields = z
  .object({
    /** compute nodes in the Docker engine; beside a cluster none but those that are named here */
    nodes: z
      .array(
        z.object({
          name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/),
          kind: z.enum(NODE_KINDS),
          /** false = pods for it stay `Unschedulable` */
          ready: z.boolean().default(true),
        }),
      )
      .optional(),
    /** host devices that pods on a kind of node get */
    devices: z.partialRecord(z.enum(NODE_KINDS), z.array(z.string().startsWith("/dev/"))).default({}),
    /** FPGAs of nodes, where probing does not find all that is to be said of them */
    fpga: z.array(fpgaDevice).default([]),
    /** public images, instead of what the engine holds at the agent's first start */
    publicImages: z.array(z.string()).optional(),
    /** IDs of images with the tools that sources are compiled with, or run by */
    toolchains: z
      .partialRecord(
        z.enum(["go", "nodejs", "python", "java", "c"]),
        z.string().regex(/^sha256:[0-9a-f]{64}$/),
      )
      .default({}),
    /** name of the onboard registry that image names may carry, e.g. `registry:5000` */
    registry: z.string().optional(),
    /** the registry onboard that a cluster's nodes pull from; needed where pods run on Kubernetes */
    imageRegistry: z
      .object({
        /** `host:port` as the nodes know it */
        pull: z.string().regex(HOST_PORT),
        /** `host:port` of its write side, as the engine knows it; without it `pull` */
        push: z.string().regex(HOST_PORT).optional(),
        /** file with `user:password` for the write side */
        passwordFile: z.string().optional(),
        /** bytes that it may hold */
        maxBytes: z
          .number()
          .int()
          .positive()
          .default(20 * GiB),
        /** directory of its storage, where this machine has it: the free-space floor holds there too */
        storage: z.string().optional(),
        /** program and arguments that give back the bytes of deleted images, run while nothing is pushed */
        collect: z.array(z.string()).min(1).optional(),
      })
      .strict()
      .optional(),
    /** directory of the volumes, instead of `volumes` in the agent's data */
    volumes: z.string().optional(),
    /** machines run on the host's own virtualisation, where a test machine has; false: they are always emulated */
    kvm: z.boolean().default(true),
    /** limits of one pod */
    pod: z
      .object({
        memoryBytes: z
          .number()
          .int()
          .positive()
          .default(2 * GiB),
        cpus: z.number().positive().default(1),
        pids: z.number().int().positive().default(512),
      })
      .default({ memoryBytes: 2 * GiB, cpus: 1, pids: 512 }),
    /** addresses at which running instances are reached from outside; default: none */
    instanceAddresses,
    /** first two octets of the addresses that pods' networks are cut from */
    networkPool: z.string().optional(),
    /** pods run on this cluster, not in the Docker engine */
    kubernetes: kubernetesConfig.optional(),
    /** bytes that stay free where the volumes are */
    freeFloorBytes: z.number().int().nonnegative().default(LIMITS.freeFloorBytes),
    /** ms between claims when nothing rings; over 15 s a ring that was lost costs a waiting call its answer */
    pollMs: z.number().int().min(50).max(60_000).default(8000),
    /**
     * ms between two times that the ground is asked (heartbeat, claim, doorbell) outside of planned contact windows;
     * absent: as often as inside
     */
    outsideWindowsMs: z.number().int().min(1000).max(3_600_000).optional(),
    /** where rings are heard: at the ground itself, or in this edge's own queue (credentials by AWS' default chain) */
    doorbell: z
      .union([
        z.literal("http"),
        z
          .object({
            sqs: z
              .object({
                queueUrl: z.url(),
                region: z.string().min(1),
                /** of another AWS than Amazon's */
                endpoint: z.url().optional(),
              })
              .strict(),
          })
          .strict(),
      ])
      .default("http"),
    /** jobs: containers of them at the same time, and further ones whose files are fetched beforehand */
    jobs: z
      .object({
        atOnce: z.number().int().min(1).max(64).default(JOB_PLACES.atOnce),
        ahead: z.number().int().min(0).max(200).default(JOB_PLACES.ahead),
      })
      .strict()
      .default(JOB_PLACES),
    /** runners of environments: containers that are kept warm in pools */
    runners: z
      .object({
        /** all of them, idle and used */
        max: z.number().int().min(0).max(LIMITS.runners).default(LIMITS.runners),
        /** those of one user while others have environments; default three quarters of them */
        maxOfUser: z.number().int().min(0).max(LIMITS.runners).optional(),
        /** CPUs that one may take */
        maxCpus: z.number().positive().default(2),
        /** bytes that one may write */
        scratchBytes: z.number().int().positive().default(LIMITS.runnerScratchBytes),
        /** `open`: those of environments with network access reach public addresses */
        network: z.enum(["none", "open"]).default("none"),
        /** address of this machine at which exposed ports of runners are reached */
        hostAddress: z.ipv4().optional(),
        /** ports that all runners open there together; three quarters of them those of one user */
        ports: z
          .number()
          .int()
          .min(0)
          .max(LIMITS.runners * LIMITS.exposedPorts)
          .default(LIMITS.runnerPorts),
        /** public addresses of the resolvers that runners with a network ask; none: they have no names */
        dns: z.array(z.ipv4()).max(3).default([]),
      })
      .strict()
      .default({
        max: LIMITS.runners,
        maxCpus: 2,
        scratchBytes: LIMITS.runnerScratchBytes,
        network: "none",
        ports: LIMITS.runnerPorts,
        dns: [],
      }),
    /** live sessions; `exec: false`: users execute nothing in their pods here */
    live: z
      .object({ exec: z.boolean().default(true) })
      .strict()
      .default({ exec: true }),
    /** ms between measurements of users with running pods */
    usageMs: z.number().int().min(500).default(10_000),
  })
  .strict();

/** The agent's configuration, whose fields also fit together. */
export const agentConfig = fields
  .check(({ value, issues }) => {
    const message = wrongDevice(value);
    if (message) issues.push({ code: "custom", input: value.fpga, path: ["fpga"], message });
  })
  .transform((value) => ({ ...value, nodes: value.nodes ?? (value.kubernetes ? [] : DEFAULT_NODES) }));
export type AgentConfig = z.infer<typeof agentConfig>;

/** Why the FPGAs of a configuration are wrong. */
function wrongDevice({
  nodes = DEFAULT_NODES,
  fpga,
  kubernetes,
}: Pick<z.infer<typeof fields>, "nodes" | "fpga" | "kubernetes">): string | undefined {
  const names = fpga.map(({ node }) => node);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) return `${twice} must have one device`;
  if (!kubernetes) {
    const kinds = new Map(nodes.map(({ name, kind }) => [name, kind]));
    const wrong = names.find((name) => kinds.get(name) !== "FPGA");
    return wrong === undefined ? undefined : `${wrong} must be a node of kind FPGA`;
  }
  for (const { node, adapter, devices, blank } of fpga) {
    if (adapter && adapter !== "none" && !LOADER_ADAPTERS.includes(adapter))
      return `${node}: ${adapter} cannot be used from a pod`;
    if (devices.length > 0) return `${node}: pods get device files by a resource, not by their paths`;
    if (blank !== undefined) return `${node}: a pod cannot load a blank file`;
  }
  return undefined;
}

/** What the environment says of the configuration. */
type OfEnvironment = {
  /** for instances, where the configuration says nothing of them */
  addresses?: string | undefined;
  /** of those addresses, beside the configuration's */
  closedPorts?: readonly number[] | undefined;
};

/**
 * Reads the configuration file; without a path the defaults.
 * @throws Error that names the field and the rule
 */
export function readConfig(
  path: string | undefined,
  { addresses, closedPorts = [] }: OfEnvironment = {},
): AgentConfig {
  const given = path ? JSON.parse(readFileSync(path, "utf8")) : {};
  const parsed = agentConfig.safeParse(
    addresses === undefined ? given : { instanceAddresses: addresses, ...given },
  );
  if (parsed.success) {
    const { instanceAddresses } = parsed.data;
    const closed = [...instanceAddresses.closedPorts, ...closedPorts];
    return { ...parsed.data, instanceAddresses: { ...instanceAddresses, closedPorts: closed } };
  }
  const [issue] = parsed.error.issues;
  throw new Error(`${path ?? "the environment"}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** What the agent is told by its environment. */
export type AgentEnvironment = OfEnvironment & {
  ground: string;
  token: string;
  data: string;
  config: string | undefined;
};

/**
 * PERIGEE_GROUND (address of the ground), PERIGEE_AGENT_TOKEN_FILE (file with the agent's token),
 * PERIGEE_AGENT_DATA (its state and, by default, the volumes), PERIGEE_AGENT_CONFIG (configuration file),
 * PERIGEE_INSTANCE_ADDRESSES (a range of this machine's addresses for instances), PERIGEE_INSTANCE_CLOSED_PORTS (of
 * these, with commas between).
 * @throws Error that names what is missing or wrong
 */
export function readEnvironment(environment: NodeJS.ProcessEnv): AgentEnvironment {
  const required = (name: string) => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set`);
    return value;
  };
  const token = readFileSync(required("PERIGEE_AGENT_TOKEN_FILE"), "utf8").trim();
  if (token === "") throw new Error("the file of PERIGEE_AGENT_TOKEN_FILE is empty");
  const closed = environment.PERIGEE_INSTANCE_CLOSED_PORTS || undefined;
  const closedPorts = closed?.split(",").map(Number);
  if (!z.array(port).optional().safeParse(closedPorts).success) {
    throw new Error("PERIGEE_INSTANCE_CLOSED_PORTS must be ports with commas between");
  }
  return {
    ground: required("PERIGEE_GROUND"),
    token,
    data: required("PERIGEE_AGENT_DATA"),
    config: environment.PERIGEE_AGENT_CONFIG || undefined,
    addresses: environment.PERIGEE_INSTANCE_ADDRESSES || undefined,
    closedPorts,
  };
}
