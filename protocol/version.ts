/** Version of ground, agent and command, equal to the one in package.json. CHANGELOG.md says what changed. */
export const VERSION = "0.4.0";
