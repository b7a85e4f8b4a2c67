import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type Docker from "dockerode";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gate } from "#test/support/gate.ts";
import { DockerNetworks } from "../networks.ts";
import { Forwarders } from "./forwarders.ts";

let directory: string;
let servers: Server[];
/** what became of the network and of the forwarder */
let events: string[];
const signal = new AbortController().signal;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-forward-"));
  servers = [];
  events = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

/** An engine in which a container is `start`, called with the socket's path; and that knows no network. */
function engine(start: (path: string) => Promise<void>): Docker {
  let options: Docker.ContainerCreateOptions;
  const nothing = async () => undefined;
  const container = {
    remove: async () => void events.push("removed"),
    start: () => start(join(options.HostConfig!.Mounts![0]!.Source, basename(options.Cmd!.at(-1)!))),
  };
  return {
    getImage: () => ({ inspect: async () => ({ Id: "sha256:1" }) }),
    getContainer: () => container,
    createContainer: async (made: Docker.ContainerCreateOptions) => {
      options = made;
      events.push("created");
    },
    listNetworks: async () => [],
    createNetwork: async () => ({ id: "0" }),
    getNetwork: () => ({ remove: nothing, inspect: nothing }),
  } as unknown as Docker;
}

function forwarders(docker: Docker, networks = new DockerNetworks(docker, networkOptions)): Forwarders {
  return new Forwarders({
    ...{ docker, instance: "here", prefix: "perigee", directory },
    onNetwork: async (user, work) => {
      try {
        return await networks.use(user, work);
      } finally {
        events.push("let go");
      }
    },
  });
}
const networkOptions = { instance: "here", prefix: "perigee", pool: "10.191" };

/** Listens there as the forwarder's program does. */
function listen(path: string, backlog = 511): Promise<void> {
  const server = createServer((socket) => {
    socket.resume();
    socket.on("end", () => socket.end());
  });
  servers.push(server);
  return new Promise((resolve) => server.listen({ path, backlog }, resolve));
}

test("all who wait for a forwarder fail with it, and the user's network can be given back and taken again", async () => {
  const [begun, fails] = [gate(), gate()];
  const docker = engine(async () => {
    begun.open();
    await fails.passed;
    throw new Error("no room");
  });
  const networks = new DockerNetworks(docker, networkOptions);
  const ways = forwarders(docker, networks);
  const asked = [1, 2, 3].map(() => ways.connect("ada", "10.191.0.2", 80, signal));
  const told = Promise.allSettled(asked);
  await begun.passed;
  const tidied = ways.settled("ada").then(() =>
    networks.tidy("ada", async () => {
      await ways.remove("ada");
      events.push("tidied");
      return false;
    }),
  );
  fails.open();
  expect((await told).map((one) => (one as PromiseRejectedResult).reason.message)).toEqual(
    Array(3).fill("no room"),
  );
  await tidied;
  expect(events).toEqual(["removed", "created", "let go", "removed", "tidied"]);
  // a connection right after fails with the same error, without another try
  await expect(ways.connect("ada", "10.191.0.2", 80, signal)).rejects.toThrow("no room");
  expect(events.filter((event) => event === "created")).toHaveLength(1);
  expect(await networks.use("ada", async (network) => network)).toMatch(/-ada$/);
});

test("the network is held until the forwarder listens, for all who wait", async () => {
  const docker = engine(async (path) => {
    setTimeout(() => void listen(path).then(() => events.push("listens")), 50);
  });
  const ways = forwarders(docker);
  const sockets = await Promise.all([1, 2, 3].map(() => ways.connect("ada", "10.191.0.2", 80, signal)));
  for (const socket of sockets) socket.destroy();
  expect(events).toEqual(["removed", "created", "listens", "let go"]);
});

test("nothing is made for a run that has ended", async () => {
  const ways = forwarders(engine(listen));
  await expect(ways.connect("ada", "10.191.0.2", 80, AbortSignal.abort())).rejects.toThrow("aborted");
  expect(events).toEqual([]);
});

test("a forwarder that more connect to at once than it takes is not made again", async () => {
  const ways = forwarders(engine((path) => listen(path, 1)));
  const many = () =>
    Promise.all(Array.from({ length: 20 }, () => ways.connect("ada", "10.1.1.1", 80, signal)));
  for (const socket of [...(await many()), ...(await many())]) socket.destroy();
  expect(events).toEqual(["removed", "created", "let go"]);
});
