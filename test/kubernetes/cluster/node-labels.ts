/** Labels of the test cluster's two nodes; the kinds of compute that each stands for are in the agent's config. */
export const NODE_LABELS = [
  ["perigee.test/pool=pool1", "perigee.test/fpga=true", "perigee.test/gpu=true"],
  ["perigee.test/pool=pool2", "perigee.test/mpu=true"],
] as const;
