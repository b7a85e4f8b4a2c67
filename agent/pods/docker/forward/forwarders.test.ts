import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endOf, PodRig, running, stateWhere } from "#test/support/pod-rig.ts";
import { freePort } from "../../../../scripts/localstack/free-port.ts";
import { addressRange } from "../../addresses/address-range.ts";
import { InstanceAddresses } from "../../addresses/instance-addresses.ts";
import type { PodManager } from "../../pod-manager.ts";
import { Runtimes } from "../../runtimes.ts";

const PORT = await freePort();
const SERVER = `mkdir /w; echo hello > /w/index.html; httpd -p ${PORT} -h /w; echo up; sleep 1000`;
/** for the first connection the image may be made */
const FIRST_MS = 60_000;

let rig: PodRig;
let directory: string;
const opened: InstanceAddresses[] = [];
const warnings: string[] = [];

beforeAll(async () => {
  rig = await PodRig.create();
  // longer than a socket's path may be
  directory = join(rig.directory, "f".repeat(100));
});
afterAll(async () => {
  for (const one of opened) one.close();
  await rig?.cleanUp();
});

/** An agent's pods, with addresses; as another agent before left them. */
function manager(): { pods: PodManager; addresses: InstanceAddresses } {
  const addresses = new InstanceAddresses({
    range: addressRange("127.90.0.0/16"),
    warn: (said) => warnings.push(said),
  });
  opened.push(addresses);
  const runtimes = new Runtimes(rig.runtime({ forwarders: { directory } }));
  return { pods: rig.manager({ runtimes, addresses, lingerMs: 0, graceMs: 500 }), addresses };
}

const forwarders = async () =>
  (await rig.containers()).filter(({ Names }) => Names.some((name) => name.includes("-forward-")));
const addressOf = (pods: PodManager, run: string) =>
  pods.reports().find((report) => report.run === run)?.address;
const ask = async (address: string | undefined) => {
  const answer = await fetch(`http://${address}:${PORT}/`, { signal: AbortSignal.timeout(FIRST_MS) });
  return answer.text();
};

test("an instance is reached at an address of its own until it ends, also by an agent that comes after", async () => {
  const first = manager();
  const input = { pod: "web", address: true, ports: [PORT], mounts: [] };
  const run = rig.sh(first.pods, "ada", SERVER, input);
  await rig.said(run, "up");
  const address = addressOf(first.pods, run);
  expect(address).toMatch(/^127\.90\./);
  expect(await ask(address)).toBe("hello\n");
  // only the agent's user may open the socket
  for (const entry of ["", ...readdirSync(directory)]) {
    expect(statSync(join(directory, entry)).mode & 0o777).toBe(0o700);
  }

  // a pod reaches no port of the forwarder, no address of this machine and no other user's pod
  const [forwarder] = await forwarders();
  const { NetworkSettings, Config } = await rig.docker.getContainer(forwarder!.Id).inspect();
  const [network, ...more] = Object.values(NetworkSettings.Networks);
  const of = network?.IPAddress;
  expect([of, more]).toEqual([expect.stringMatching(/^\d/), []]);
  expect(Config.ExposedPorts).toBeUndefined();
  const [inside] = await rig.addresses(run);
  const tries = [`${of} ${PORT}`, `${address} ${PORT}`, `${of} 22`]
    .map((to) => `nc -w 1 ${to} </dev/null 2>/dev/null && echo open`)
    .join("; ");
  const listening = `(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${inside} ${PORT} | tail -n 1)`;
  const friend = rig.sh(first.pods, "ada", `${listening}; ${tries}; echo done`, {
    pod: "friend",
    mounts: [],
  });
  await endOf(first.pods, friend);
  expect(rig.lines(friend)).toEqual(["hello", "done"]);
  const stranger = rig.sh(
    first.pods,
    "eve",
    `nc -w 1 ${inside} ${PORT} </dev/null 2>&1 | grep hello; ${tries}; echo done`,
    {
      pod: "stranger",
      mounts: [],
    },
  );
  await endOf(first.pods, stranger);
  expect(rig.lines(stranger)).toEqual(["done"]);
  expect(addressOf(first.pods, friend)).toBeUndefined();

  // the agent goes, and another one takes up what runs
  await first.pods.close();
  first.addresses.close();
  await expect(ask(address)).rejects.toThrow();
  const second = manager();
  for (;;) {
    const answer = await ask(address).catch(() => undefined);
    if (answer === "hello\n") break;
    await rig.tick();
  }
  expect(addressOf(second.pods, run)).toBe(address);
  // somebody removes the forwarder: the next connection has another one
  for (const { Id } of await forwarders()) await rig.docker.getContainer(Id).remove({ force: true });
  expect(await ask(address)).toBe("hello\n");

  await second.pods.stop("ada", "web");
  await endOf(second.pods, run);
  await expect(ask(address)).rejects.toThrow();
  // the next run of the same pod is where the one before was
  const again = rig.sh(second.pods, "ada", SERVER, input);
  await stateWhere(second.pods, again, running);
  expect(addressOf(second.pods, again)).toBe(address);
  await second.pods.stop("ada", "web");
  await endOf(second.pods, again);
  // with the user's last run the way into the network goes, and the network
  const filters = { label: [`perigee.instance=${rig.instance}`] };
  while ((await forwarders()).length > 0 || (await rig.docker.listNetworks({ filters })).length > 0) {
    await rig.tick();
  }
  while (existsSync(directory) && readdirSync(directory).length > 0) await rig.tick();
  expect([warnings, rig.errors]).toEqual([[], []]);
}, 120_000);
