import { createSocket, type Socket } from "node:dgram";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import { volumePathOf } from "#test/support/run-mounts.ts";
import {
  inetAddress,
  resultsOf,
  type SystemCall,
  systemCallProgram,
  text,
} from "#test/support/system-call-program.ts";
import type { RunSpec } from "../pod-runtime.ts";
import type { DockerRuntime } from "./runtime.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO = { dontRoute: 5, broadcast: 6, bindToDevice: 25 };
const IP_MULTICAST_IF = 32;
const ON = Buffer.from([1, 0, 0, 0]);

describe("datagrams of a pod", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  let host: Socket;
  const heard: string[] = [];

  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
    host = createSocket({ type: "udp4", reuseAddr: true });
    await new Promise<void>((resolve) => host.bind(0, "0.0.0.0", resolve));
    host.setBroadcast(true);
    host.on("message", (message) => heard.push(`${message}`));
  });
  afterAll(async () => {
    host.close();
    await rig.cleanUp();
  });

  function program(user: string, pod: string, calls: SystemCall[]): RunSpec {
    const volume = `${user}-${pod}`;
    const directory = rig.volume(volume);
    writeFileSync(path.join(directory, "program"), systemCallProgram(calls));
    chmodSync(path.join(directory, "program"), 0o755);
    const mounts = [{ volume: pod, path: directory, at: "/data" }];
    return rig.spec(["/data/program"], { user, pod, mounts, maxMs: 3600_000 });
  }

  async function end(spec: RunSpec): Promise<number[]> {
    for await (const _ of runtime.logs(spec.run, { follow: true })) {
      // it says nothing
    }
    return resultsOf(readFileSync(path.join(volumePathOf(spec), "results")));
  }

  /** Everything said to the host so far has been heard. */
  async function settled(): Promise<void> {
    const last = ulid();
    const arrived = new Promise<void>((resolve) => {
      host.on("message", (message) => `${message}` === last && resolve());
    });
    host.send(last, host.address().port, "127.0.0.1");
    await arrived;
    heard.splice(heard.indexOf(last), 1);
  }

  /** Sends to an address in each way that a payload has, twice: the first may only ask who has it. */
  function says(address: string, port: number, at: number): SystemCall[] {
    const message = Buffer.from(`from a pod to ${address}`);
    const to = inetAddress(address, port);
    const send = (socket: number): SystemCall => ({
      name: "sendto",
      args: [{ result: socket }, message, message.length, 0, to, 16],
    });
    const option = (socket: number, level: number, name: number, value: Buffer): SystemCall => ({
      name: "setsockopt",
      args: [{ result: socket }, level, name, value, value.length],
    });
    const open: SystemCall = { name: "socket", args: [AF_INET, SOCK_DGRAM, 0] };
    const calls: SystemCall[] = [];
    for (const options of [[], [SO.dontRoute], [SO.bindToDevice], [SO.bindToDevice, SO.dontRoute]]) {
      const socket = at + calls.length;
      calls.push(open, option(socket, SOL_SOCKET, SO.broadcast, ON));
      if (options.includes(SO.bindToDevice)) {
        calls.push(option(socket, SOL_SOCKET, SO.bindToDevice, text("eth0")));
        calls.push(
          option(socket, 0, IP_MULTICAST_IF, Buffer.concat([Buffer.alloc(8), Buffer.from([2, 0, 0, 0])])),
        );
      }
      if (options.includes(SO.dontRoute)) calls.push(option(socket, SOL_SOCKET, SO.dontRoute, ON));
      calls.push(send(socket), send(socket));
    }
    return calls;
  }

  /** A pod that waits for one datagram at a port; what it returns is how long the datagram was. */
  function listener(user: string, port: number): RunSpec {
    return program(user, "listener", [
      { name: "socket", args: [AF_INET, SOCK_DGRAM, 0] },
      { name: "bind", args: [{ result: 0 }, inetAddress("0.0.0.0", port), 16] },
      { name: "write", args: [1, Buffer.from("ready\n"), 6] },
      { name: "recvfrom", args: [{ result: 0 }, Buffer.alloc(256), 256, 0, 0, 0] },
    ]);
  }

  async function ready(spec: RunSpec): Promise<void> {
    await runtime.start(spec);
    for await (const _ of runtime.logs(spec.run, { follow: true })) return;
  }

  test("broadcast, multicast and forced routes reach the user's own pods, not the host and no other user's", async () => {
    const { port } = host.address();
    const own = listener("ada", port);
    const other = listener("bob", port);
    await Promise.all([ready(own), ready(other)]);
    const [ownAddress] = await rig.addresses(own.run);
    const [otherAddress] = await rig.addresses(other.run);
    const addresses = Object.values(os.networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ family, internal }) => family === "IPv4" && !internal)
      .map(({ address }) => address);
    expect(addresses.length).toBeGreaterThan(0);
    const subnet = ownAddress!.replace(/\.\d+$/, "");
    const targets = [
      ...addresses,
      otherAddress!,
      otherAddress!.replace(/\.\d+$/, ".255"),
      ...[`${subnet}.1`, `${subnet}.255`, "255.255.255.255", "224.0.0.1", "224.0.0.251", "239.255.255.250"],
    ];
    const calls: SystemCall[] = [];
    for (const target of targets) calls.push(...says(target, port, calls.length));
    const pause = Buffer.alloc(16);
    pause.writeBigInt64LE(100_000_000n, 8);
    calls.push({ name: "nanosleep", args: [pause, 0] });
    for (const target of targets) calls.push(...says(target, port, calls.length));
    const prober = program("ada", "prober", calls);
    await runtime.start(prober);
    const results = await end(prober);
    // They did leave the pod: its neighbour heard one.
    expect(results.filter((result) => result > 14).length).toBeGreaterThan(0);
    expect((await end(own))[3]).toBeGreaterThan(0);
    await settled();
    expect(heard).toEqual([]);
    expect(await runtime.inspect(other.run)).toHaveProperty("running");
  });

  test("a network that was made open, or opened by others, is closed at the start and before the next run", async () => {
    const { port } = host.address();
    const first = program("cyd", "first", []);
    await runtime.start(first);
    await end(first);
    const filters = { label: [`perigee.instance=${rig.instance}`, "perigee.user=cyd"] };
    const [network] = await rig.docker.listNetworks({ filters });
    const conf = `/proc/sys/net/ipv4/conf/br-${network!.Id.slice(0, 12)}`;
    writeFileSync(`${conf}/rp_filter`, "0");
    writeFileSync(`${conf}/arp_ignore`, "0");
    const unwatch = rig.runtime().watch(() => undefined);
    while (readFileSync(`${conf}/rp_filter`, "utf8").trim() !== "1") await rig.tick();
    unwatch();
    writeFileSync(`${conf}/rp_filter`, "0");
    const second = program("cyd", "second", says("255.255.255.255", port, 0));
    await runtime.start(second);
    expect((await end(second)).filter((result) => result > 14).length).toBeGreaterThan(0);
    await settled();
    expect(heard).toEqual([]);
  });
});
