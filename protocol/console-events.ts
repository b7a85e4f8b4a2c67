/** Commands, the newest, that `GET /console/events` tells at first and looks at from then on: fewer are all that there are. */
export const COMMANDS_TOLD = 100;
