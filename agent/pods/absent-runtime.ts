import { type PodRuntime, StartFailure } from "./pod-runtime.ts";

/** Stands for a provider that the edge had and has no more: it knows no run, has no nodes and starts nothing. */
export function absentRuntime(provider: string): PodRuntime {
  const nothing = async () => {};
  const why = `The edge does not run pods with ${provider}`;
  return {
    provider,
    session: "",
    prepare: nothing,
    start: async () => {
      throw new StartFailure(why);
    },
    adopt: nothing,
    stop: nothing,
    remove: nothing,
    inspect: async () => undefined,
    addressOf: async () => undefined,
    list: async () => [],
    async *logs() {},
    watch: () => () => {},
    written: async () => ({ bytes: 0, directories: [] }),
    usage: async () => undefined,
    missing: async () => why,
    nodes: async () => [],
    tidy: nothing,
    close: nothing,
  };
}
