/** Version of this tree, as in package.json: of the ground, the agent and the command. CHANGELOG.md says what changed. */
export const VERSION = "0.2.0";
