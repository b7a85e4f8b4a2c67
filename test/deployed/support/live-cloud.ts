import { PoseidonClient } from "../../contract/poseidon/support/client.ts";
import { openLink } from "../../live/support/link.ts";
import { functionEnvironment, setFunctionEnvironment } from "./function-environment.ts";
import { type LiveContainer, liveContainers } from "./live-containers.ts";
import { liveEdge } from "./live-edge.ts";

export type LiveCloud = Awaited<ReturnType<typeof liveCloud>>;

/**
 * Live sessions on what was deployed: two of the live container's processes, the first of which has the relay, an
 * address in front of it that the Lambdas are told as PERIGEE_LIVE_URL, and an edge with a real agent.
 */
export async function liveCloud(directory: string) {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // led to the relay once there is one
    const front = await openLink("http://127.0.0.1:9");
    undo.push(async () => front.close());
    const before = await functionEnvironment();
    const environment = { ...before, PERIGEE_LIVE_URL: front.url };
    undo.push(() => setFunctionEnvironment(before));
    await setFunctionEnvironment(environment);
    const containers = await liveContainers(directory, environment);
    undo.push(() => containers.close());
    const [edge, first] = await Promise.all([liveEdge(directory), containers.start("first")]);
    undo.push(() => edge.close());
    front.target = first.url;
    const [second] = await Promise.all([containers.start("second"), edge.ready]);
    return {
      front,
      containers,
      first,
      second,
      edge,
      /** Poseidon's API at one of the containers, or at any other address. */
      at: ({ url }: Pick<LiveContainer, "url">, token?: string) => new PoseidonClient(`${url}/api/v1`, token),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
