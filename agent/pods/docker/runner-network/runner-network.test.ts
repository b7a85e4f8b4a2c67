import { execFile } from "node:child_process";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeNetSpace, type NetSpace } from "#test/support/net-spaces.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { ensureProgram } from "../../../../scripts/debian-packages.ts";
import { NoRunnerNetwork, type RunSpec } from "../../pod-runtime.ts";
import type { DockerRuntime } from "../runtime.ts";
import { DockerRunnerNetwork } from "./runner-network.ts";

const run = promisify(execFile);
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const nft = (...args: string[]) => run("nft", args, { env: { PATH } });
const SERVER = "mkdir /w; echo runner > /w/index.html; httpd -p 80 -h /w; echo up; sleep 1000";

let rig: PodRig;
let publicSpace: NetSpace;
let privateSpace: NetSpace;
let server: Server;
let runtime: DockerRuntime;
/** what the rig's agent calls its own, by the rules of DockerRunnerNetwork */
let names: { network: string; table: string; bridge: string };
let broken: string;
const warnings: string[] = [];

beforeAll(async () => {
  await ensureProgram("nft", "nftables", console.log);
  rig = await PodRig.create();
  // by a route of its own each, so that it is nobody else's here
  [publicSpace, privateSpace] = await Promise.all([makeNetSpace("203.0"), makeNetSpace("10.231")]);
  await Promise.all([publicSpace.serve(80, "public"), privateSpace.serve(80, "private")]);
  server = createServer((_, answer) => answer.end("host"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { name: network } = new DockerRunnerNetwork(rig.docker, {
    instance: rig.instance,
    prefix: rig.instance,
  });
  const hash = network.slice(-8);
  names = { network, table: `perigee_runners_${hash}`, bridge: `prun-${hash}` };
  // as nft, unless this file is there
  broken = join(rig.directory, "broken");
  const program = join(rig.directory, "nft");
  writeFileSync(
    program,
    `#!/bin/sh\n[ -e ${broken} ] && { echo no such rule >&2; exit 1; }\nexec nft "$@"\n`,
  );
  chmodSync(program, 0o755);
  runtime = rig.runtime({
    runnerNetwork: { hostAddress: publicSpace.host, checkMs: 200, firewall: { nft: program } },
    warn: (message) => warnings.push(message),
  });
});
afterAll(async () => {
  server?.close();
  server?.closeAllConnections();
  rmSync(broken, { force: true });
  await rig?.cleanUp();
  await nft("delete", "table", "inet", names.table).catch(() => undefined);
  await publicSpace?.remove();
  await privateSpace?.remove();
});

const sh = (script: string, over: Partial<RunSpec> = {}) =>
  rig.spec(["/bin/sh", "-c", script], { network: "open", pod: "p", ...over });

/** Starts a run that serves "runner" on port 80; its ports, when it does. */
async function startServer(): Promise<{ run: string; address: string; mapped: string | undefined }> {
  const spec = sh(SERVER, { run: ulid(), ports: [80] });
  const { ports } = await runtime.start(spec);
  for await (const { text } of runtime.logs(spec.run, { follow: true })) if (`${text}` === "up") break;
  return { run: spec.run, address: (await rig.addresses(spec.run))[0]!, mapped: ports?.[0]?.hostAddress };
}

/** Which of the addresses (`host:port`, default port 80) a run on the open network gets an answer from. */
async function reached(places: Record<string, string>): Promise<string[]> {
  const asks = Object.entries(places).map(([name, place]) => {
    const [host, port = "80"] = place.split(":");
    return `(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} ${port} 2>/dev/null | grep -q 200 && echo "${name}") &`;
  });
  return (await rig.say(runtime, sh(`${asks.join("\n")}\nwait`))).toSorted();
}

describe("a runner with an open network", () => {
  test("reaches a public address; not a private one, this machine at any of its addresses, or another runner", async () => {
    const other = await startServer();
    const { port } = server.address() as AddressInfo;
    const own = Object.values(os.networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === "IPv4" && !internal)
      .map(({ address }) => address);
    const urls = {
      public: publicSpace.address,
      private: privateSpace.address,
      other: other.address,
      mapped: other.mapped!,
      ...Object.fromEntries(own.map((address) => [address, `${address}:${port}`])),
    };
    expect(own).toContain(publicSpace.host);
    // what is not reached from there is there all the same
    for (const [url, text] of [
      [privateSpace.address, "private"],
      [other.address, "runner\n"],
      [`${publicSpace.host}:${port}`, "host"],
    ]) {
      expect(await (await fetch(`http://${url}/`)).text()).toBe(text);
    }
    expect(await reached(urls)).toEqual(["public"]);
  });

  test("has no IPv6, and no names unless the operator names a resolver", async () => {
    const said = await rig.say(runtime, sh("cat /proc/net/if_inet6; grep -c 127.0.0.11 /etc/resolv.conf"));
    expect(said).toEqual(["1"]);
    expect(await rig.say(runtime, sh("nslookup perigee.example 127.0.0.11 >/dev/null || echo none"))).toEqual(
      ["none"],
    );
  });

  test("is reached from outside at its mapped port alone, by private addresses too", async () => {
    const { address, mapped } = await startServer();
    expect(mapped).toMatch(new RegExp(`^${publicSpace.host.replaceAll(".", "\\.")}:\\d+$`));
    for (const space of [publicSpace, privateSpace]) {
      const ask = (url: string) =>
        space.say(
          process.execPath,
          "-e",
          `
          const signal = AbortSignal.timeout(${url === mapped ? 60_000 : 1_500});
          fetch("http://${url}/", { signal }).then((a) => a.text()).catch(() => "nothing").then(console.log)`,
        );
      expect((await ask(mapped!)).trim()).toBe("runner");
      expect((await ask(address)).trim()).toBe("nothing");
    }
  });

  test("a removed table is put back while nobody starts anything", async () => {
    await startServer();
    await nft("delete", "table", "inet", names.table);
    for (;;) {
      const listed = await nft("list", "table", "inet", names.table).catch(() => undefined);
      if (listed?.stdout.includes("@forbidden drop")) break;
      await rig.tick();
    }
    expect(await reached({ public: publicSpace.address, private: privateSpace.address })).toEqual(["public"]);
  });

  test("where the rules cannot be put in place none is started, and those that run are cut off until they can", async () => {
    await startServer();
    const isUp = () => (Number(readFileSync(`/sys/class/net/${names.bridge}/flags`, "utf8")) & 1) === 1;
    expect(isUp()).toBe(true);
    writeFileSync(broken, "");
    try {
      const spec = sh("echo started");
      await expect(runtime.start(spec)).rejects.toThrow(NoRunnerNetwork);
      await expect(runtime.start(spec)).rejects.toThrow("runners have no network here: nft: no such rule");
      expect(await runtime.inspect(spec.run)).toBeUndefined();
      while (isUp()) await rig.tick();
      expect(warnings).toContain("runners have no network until this is mended: nft: no such rule");
    } finally {
      rmSync(broken);
    }
    while (!isUp()) await rig.tick();
    expect(await reached({ public: publicSpace.address })).toEqual(["public"]);
  });
});

test("an agent whose operator allows none starts none, and takes down what one before left", async () => {
  const { run: left } = await startServer();
  // the agent before has gone: nobody looks at its rules
  await runtime.close();
  const closed = rig.runtime();
  await expect(closed.start(sh("true"))).rejects.toThrow("runners have no network here");
  const stop = closed.watch(() => undefined);
  try {
    for (;;) {
      const found = await rig.docker.listNetworks({ filters: { name: [names.network] } });
      if (found.length === 0) break;
      await rig.tick();
    }
    expect(await rig.addresses(left)).toEqual([]);
    for (;;) {
      if (!(await nft("list", "tables")).stdout.includes(names.table)) break;
      await rig.tick();
    }
  } finally {
    stop();
  }
});
