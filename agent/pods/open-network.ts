/** What the operator gives runners that may reach public addresses. */
export type OpenNetwork = {
  /** address of this machine, or of a cluster's nodes, at which their ports are reached; without it they are not */
  hostAddress?: string;
  /** public addresses of resolvers; none: no names */
  dns?: readonly string[];
};
