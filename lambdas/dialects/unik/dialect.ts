import type { Dialect } from "../dialect.ts";
import { authenticate } from "./caller.ts";
import { onEnd } from "./ends.ts";
import { errors } from "./errors.ts";
import { removeGonePods } from "./gone-pods.ts";
import { hubBytes } from "./hub/entries.ts";
import { removeGone } from "./hub/gone.ts";
import { HUB } from "./hub/hub-records.ts";
import { keepContent } from "./hub/push-end.ts";
import { closeRepeats } from "./joined.ts";
import { UNIK_LANE } from "./lane.ts";
import { endLeases } from "./lease.ts";
import { OPEN, unikListeners } from "./listener.ts";
import { holdings } from "./own-holdings.ts";
import { removed } from "./removed.ts";
import { BASE, mount } from "./routes.ts";
import { UNIK_HUBS, UNIK_HUBS_REGION, UNIK_PORT } from "./settings.ts";
import { tidyAllLeft } from "./tidy-left.ts";

/** UniK's API: images out of sources, instances that stop and start again, volumes. Off unless it is named. */
export const unik: Dialect = {
  name: "unik",
  lanes: [UNIK_LANE],
  paths: [`${BASE}/*`],
  authenticate,
  mount,
  errors,
  describe: async () => (await import("./documentation.ts")).documentUnik,
  bounds: { openPerUser: OPEN },
  // a doubled slash is no path here
  routedPath: (path) => path,
  onEnd,
  holdings,
  keepContent,
  async bytesOf(core, user) {
    const account = await core.users.find(user);
    return account ? hubBytes(core.records, account) : 0;
  },
  stagingPrefixes: [{ prefix: HUB }],
  removed,
  async janitor(core) {
    // one that fails keeps none of the others
    for (const round of [endLeases, removeGone, tidyAllLeft, removeGonePods]) {
      await round(core).catch((error: unknown) => {
        core.log.error({ err: error, round: round.name }, "a round of UniK's is not whole");
      });
    }
  },
  background: (core) => ({ close: () => closeRepeats(core) }),
  settings: [UNIK_PORT, UNIK_HUBS, UNIK_HUBS_REGION],
  listeners: unikListeners,
};
