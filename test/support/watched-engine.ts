import type Docker from "dockerode";
import { openEngine } from "#agent/engine/open-engine.ts";

/** The engine, and what it was asked for; `hold` keeps something from being asked for until it resolves. */
export function watchedEngine(hold: (what: string) => Promise<void> | undefined = () => undefined): {
  docker: Docker;
  asked: string[];
} {
  const docker = openEngine();
  const asked: string[] = [];
  const dial = docker.modem.dial.bind(docker.modem);
  docker.modem.dial = (options, callback) => {
    const what = `${options.method} ${options.path} ${JSON.stringify(options.options)}`;
    asked.push(what);
    const held = hold(what);
    if (held) void held.then(() => dial(options, callback));
    else dial(options, callback);
  };
  return { docker, asked };
}
