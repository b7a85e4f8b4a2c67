import { readFileSync } from "node:fs";

/** What `npm run test:kubernetes` tells its tests, in the file that PERIGEE_KUBERNETES_TEST names. */
export type ClusterUnderTest = {
  kubeconfig: string;
  /** kubectl */
  kubectl: string;
  /** the agent's configuration, a JSON file */
  agentConfig: string;
  /** the agent's own directory */
  agentData: string;
  /** name of its image in the engine, made by the first test that wants it and removed with the cluster */
  agentImage: string;
  /** the throwaway cluster, whose parts tests may stop and start; absent on a cluster of somebody else's */
  own?: {
    /** directory of the cluster, for `Daemons` */
    run: string;
    /** network namespaces of the nodes */
    namespaces: readonly string[];
    /** addresses of this machine and of the nodes, as pods would try them */
    host: string;
    nodes: readonly string[];
    apiService: string;
    /** the registry's two sides, `host:port` */
    pull: string;
    push: string;
    passwordFile: string;
    storage: string;
    collect: string[];
    /** the registry's program */
    program: string;
  };
};

const VARIABLE = "PERIGEE_KUBERNETES_TEST";

/** @throws Error outside of `npm run test:kubernetes` */
export function clusterUnderTest(): ClusterUnderTest {
  const file = process.env[VARIABLE];
  if (!file) throw new Error("these tests are run by npm run test:kubernetes");
  return JSON.parse(readFileSync(file, "utf8"));
}
