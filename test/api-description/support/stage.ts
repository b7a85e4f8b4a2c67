import { archiveOf, tarOf } from "../../contract/support/archives.ts";
import type { Client } from "../../contract/support/client.ts";

/** The pod and volume of the document's examples. */
const POD = "pod-a";
/** And one that runs on, in which programs can be started. */
const LIVE_POD = "pod-live";
/** xxHash of nothing */
const EMPTY = "ef46db3751d8e999";

/**
 * Makes what the examples of the document name: files, an archive, a run. What has no name but an id is returned,
 * by the operation whose example it stands in for.
 */
export async function stage(client: Client): Promise<Record<string, string>> {
  const layer = await tarOf([{ name: "etc" }, { name: "etc/made", content: "yes" }]);
  const archive = await archiveOf({
    tags: ["experiment-2-bis:latest"],
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    command: ["true"],
    layer,
  });
  const files = {
    "results/data.txt": "data",
    "config/incorrect_config.yaml": "a: 1",
    "test-exp-3/Dockerfile": 'FROM busybox\nCMD ["true"]\n',
    "images/experiment-2.tar": archive,
  };
  await ok(client.uplink(files, { pod_name: POD }));
  await ok(client.uplink({ a: "a" }, { pod_name: "pod-before" }));
  const of = { image: "busybox", node: "MPU" };
  await ok(client.form("/em/pod/run", { ...of, max_duration: 10, command: "sleep 600", pod_name: LIVE_POD }));
  const run = { ...of, max_duration: 1, command: "echo hello", pod_name: POD };
  await ok(client.form("/em/pod/run", run));

  // the run came last
  const runs = await ok(client.get("/commands", { limit: 1 }));
  const filepath = "results/data.txt";
  const async = { headers: { prefer: "respond-async" } };
  const kept = await ok(client.get("/em/files/downlink", { pod_name: POD, filepath }, async));
  const command = kept.data.command_id as string;
  const dropped = await ok(client.get("/em/files/downlink", { pod_name: POD, filepath }, async));
  const done = await ok(client.get(`/commands/${dropped.data.command_id}`, { wait: 30 }));
  const open = async (size: number) => {
    const file = { path: "in-parts", size, checksum: EMPTY, crc32: size > 0 ? ["00000000"] : [] };
    return (await ok(client.json("/uplinks", { pod_name: POD, files: [file] }))).data.id as string;
  };
  const [upload, ready, doomed, held] = [await open(1), await open(0), await open(1), await open(1)];
  return {
    getCommand: command,
    getCommandContent: command,
    getCommandLog: runs.data[0].command_id,
    deleteCommandContent: done.data.command_id,
    cancelCommand: doomed,
    holdCommand: held,
    getUplink: upload,
    signUplinkParts: upload,
    completeUplink: ready,
    execInPod: LIVE_POD,
  };
}

async function ok(asked: ReturnType<Client["get"]>) {
  const answer = await asked;
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
  return answer.json;
}
