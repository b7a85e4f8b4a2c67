import type { Ground } from "./ground.ts";
import { type Served, type ServeOptions, serve, type Upgrade } from "./http/serve.ts";
import type { TlsOptions } from "./http/tls-files.ts";

export type ServedGround = {
  /** of the ground's own listener */
  url: string;
  /** of the dialects' listeners, by name */
  listeners: Record<string, string>;
  /** New connections of every listener get this certificate. */
  renewTls(tls: TlsOptions): void;
  /** Ends the dialects' background work, then the listeners; connections are cut after `graceMs`. */
  close(graceMs: number): Promise<void>;
};

/** A ground on a server: its app, and what its dialects have beside routes: listeners, upgrades, background work. */
export async function serveGround(
  ground: Pick<Ground, "app" | "dialects" | "live">,
  options: Omit<ServeOptions, "upgrades">,
): Promise<ServedGround> {
  const served = new Map<string, Served>();
  const close = async (graceMs: number) => {
    await Promise.all([...served.values()].map((one) => one.close(graceMs)));
  };
  try {
    await ground.live.start();
    const own = await serve(ground.app, { ...options, upgrades: upgradesOf(ground) });
    served.set("", own);
    for (const { dialect, core } of ground.dialects) {
      for (const { name, port, app } of (await dialect.listeners?.(core)) ?? []) {
        served.set(name, await serve(app, { ...options, port }));
      }
    }
    const work = ground.dialects.map(({ dialect, core }) => dialect.background?.(core));
    const { "": url = own.url, ...listeners } = Object.fromEntries(
      [...served].map(([name, { url }]) => [name, url]),
    );
    return {
      url,
      listeners,
      renewTls: (tls) => {
        for (const one of served.values()) one.renewTls(tls);
      },
      async close(graceMs) {
        await Promise.all(work.map((one) => one?.close()));
        // sessions are told their end while their sockets still stand
        const ended = ground.live.close();
        await close(graceMs);
        await ended;
      },
    };
  } catch (error) {
    await ground.live.close();
    await close(0);
    throw error;
  }
}

function upgradesOf({ dialects, live }: Pick<Ground, "dialects" | "live">): Upgrade[] {
  const ofDialects = dialects.flatMap(({ dialect: { upgrade }, core }): Upgrade[] => {
    if (!upgrade) return [];
    return [
      {
        accepts: (incoming) => upgrade.accepts(incoming),
        handle: (incoming, socket, head) => upgrade.handle(incoming, socket, head, core),
      },
    ];
  });
  return [...live.upgrades, ...ofDialects];
}
