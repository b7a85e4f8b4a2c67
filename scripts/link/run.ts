import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { openLink } from "./link.ts";
import { quicker, readProfiles } from "./profile.ts";

const USAGE = `npm run link -- [--profile NAME] [--file PROFILES.json] [--quicker N] [--seed N] [--congestion cubic|bbr|reno] [COMMAND...]
Makes a slow link to a network name space that stands for the edge, until Ctrl-C or until COMMAND, which runs there, ends.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: "string", default: "pass" },
    file: { type: "string" },
    quicker: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    congestion: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const profiles = readProfiles(values.file);
const profile = profiles[values.profile];
if (values.help || !profile) {
  console.error(USAGE);
  for (const [name, { what }] of Object.entries(profiles)) console.error(`  ${name}: ${what}`);
  process.exit(values.help ? 0 : 2);
}

const link = await openLink(quicker(profile, Number(values.quicker)), {
  seed: Number(values.seed),
  ...(values.congestion && { congestion: values.congestion }),
});
const [program, ...args] = link.onEdge;
console.error(`${values.profile}: ${profile.what}
this machine, the ground: ${link.ground}    the edge: ${link.edge}
to run something on the edge: ${link.onEdge.join(" ")} COMMAND`);
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopping.abort());
if (positionals.length > 0) {
  const child = spawn(program!, [...args, ...positionals], {
    stdio: "inherit",
    env: { ...process.env, LINK_GROUND: link.ground, LINK_EDGE: link.edge },
    signal: stopping.signal,
  });
  child.on("error", () => undefined);
  [process.exitCode] = await once(child, "close");
} else {
  const alive = setInterval(() => undefined, 60_000);
  await once(stopping.signal, "abort");
  clearInterval(alive);
}
console.error(JSON.stringify(link.stats()));
await link.close();
