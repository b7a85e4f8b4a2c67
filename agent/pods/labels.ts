/** Labels on everything that the agent makes in the engine. */
export const LABEL = {
  /** which agent it belongs to; nothing without the right one is ever touched */
  instance: "perigee.instance",
  user: "perigee.user",
  pod: "perigee.pod",
  /** id of the pod/run command */
  run: "perigee.run",
  /** a runner of an environment, and no pod; its value is empty */
  runner: "perigee.runner",
  /** `none`: a pod of a cluster that is to have no network */
  network: "perigee.network",
  /** the machine's boot in which it was made */
  session: "perigee.session",
} as const;
