import { LONG } from "../../support/long-run.ts";

/**
 * Which files of the contract suite a deployment is asked. Ground and agent of this tree on one machine (`npm test`)
 * are asked all of them. What is the same code whatever it stands on is asked once, there: how requests are read
 * and refused is the ground's, what a command does on the edge is the agent's. A long run asks everything everywhere.
 */
/** Lambda and its function URL, DynamoDB, S3, SQS: bodies, tokens, queues, staging, streams, and each route once. */
const CLOUD = [
  "auth",
  "bodies",
  "busy",
  "commands",
  "downlink",
  "edge",
  "list",
  "logs",
  "odd-clients",
  "open-routes",
  "paths-and-methods",
  "two-users",
  "uplink",
  "uplinks",
  "waiting",
];

/** Pods, their volumes, logs and networks, and the images that get to the nodes by another way. */
const KUBERNETES = [
  "command-line",
  "image-list-delete",
  "logs",
  "network",
  "nodes",
  "pod-end",
  "pod-run",
  "second-run",
  "status",
  "stop",
  "two-users",
  "volumes",
];

/** Poseidon's, of what the edge does: what requests are like is the ground's, and was asked elsewhere. */
const POSEIDON_KUBERNETES = ["executions", "files", "leaving", "memory", "runners"];

/** UniK's, of what its instances are. */
const UNIK_KUBERNETES = ["instances", "life", "logs", "volumes"];

/** UniK's, of what a table and buckets in AWS serve: routes, uploads, the hub, and one instance's life. */
const UNIK_CLOUD = ["hub", "images", "life", "reading"];

/** That of FPGA images: what comes through Lambda as it was sent, and what worker, buckets and agent do. */
const FPGA_CLOUD = ["life", "object-store", "routes", "signatures", "tokens"];

const SHARES = { server: undefined, cloud: CLOUD, kubernetes: KUBERNETES };

/** The files for one kind of deployment, as vitest's `include` takes them. */
export function contractFiles(deployment: keyof typeof SHARES): string[] {
  const names = LONG ? undefined : SHARES[deployment];
  return names?.map((name) => `test/contract/${name}.test.ts`) ?? ["test/contract/*.test.ts"];
}

/** The same of Poseidon's API. */
export function poseidonFiles(deployment: "server" | "kubernetes"): string[] {
  const names = LONG || deployment === "server" ? undefined : POSEIDON_KUBERNETES;
  return (
    names?.map((name) => `test/contract/poseidon/${name}.test.ts`) ?? ["test/contract/poseidon/*.test.ts"]
  );
}

/** The same of the API for FPGA images. */
export function fpgaFiles(deployment: "server" | "cloud"): string[] {
  const names = LONG || deployment === "server" ? undefined : FPGA_CLOUD;
  return names?.map((name) => `test/contract/fpga/${name}.test.ts`) ?? ["test/contract/fpga/*.test.ts"];
}

/** The same of UniK's API; on a cluster images and their hub are in the engine too, and asked elsewhere. */
export function unikFiles(deployment: keyof typeof SHARES): string[] {
  const names = { server: undefined, cloud: UNIK_CLOUD, kubernetes: UNIK_KUBERNETES }[deployment];
  return names?.map((name) => `test/contract/unik/${name}.test.ts`) ?? ["test/contract/unik/*.test.ts"];
}
