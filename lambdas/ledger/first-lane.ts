/** The lane of all commands of versions that had no lanes, and of agents that name none: the EM's. */
export const FIRST_LANE = "em";
