import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const ip = (...args: string[]) => run("ip", args, { env: ENV });

/** A network name space at the end of a cable: to this machine it is a host with that one address. */
export type NetSpace = {
  /** of the far end */
  address: string;
  /** of this machine's end */
  host: string;
  /** serves `text` on `port` of the far end until {@link remove} */
  serve(port: number, text: string): Promise<void>;
  /** what a program at the far end says */
  say(program: string, ...args: string[]): Promise<string>;
  remove(): Promise<void>;
};

/** Makes one with addresses of the first two numbers of `prefix`, for example `203.0`. Needs root. */
export async function makeNetSpace(prefix: string): Promise<NetSpace> {
  const random = randomBytes(4);
  const name = `perigee-test-${random.toString("hex")}`;
  const link = `pt${random.toString("hex")}`;
  const base = `${prefix}.${random[0]}.${random[1]! & 0xfc}`;
  const [host, address] = [1, 2].map(
    (n) => `${base.slice(0, base.lastIndexOf("."))}.${(random[1]! & 0xfc) + n}`,
  );
  const children: ChildProcess[] = [];
  await ip("netns", "add", name);
  await ip("link", "add", link, "type", "veth", "peer", "name", "up0", "netns", name);
  await ip("addr", "add", `${host}/30`, "dev", link);
  await ip("link", "set", link, "up");
  await ip("-n", name, "addr", "add", `${address}/30`, "dev", "up0");
  await ip("-n", name, "link", "set", "up0", "up");
  await ip("-n", name, "link", "set", "lo", "up");
  await ip("-n", name, "route", "add", "default", "via", host!);
  return {
    address: address!,
    host: host!,
    async serve(port, text) {
      const script = `require("node:http").createServer((_, answer) => answer.end(${JSON.stringify(text)}))
        .listen(${port}, "0.0.0.0", () => console.log("ready"))`;
      const argv = ["netns", "exec", name, process.execPath, "-e", script];
      const child = spawn("ip", argv, { env: ENV, stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      await once(child.stdout, "data");
    },
    async say(program, ...args) {
      const { stdout } = await run("ip", ["netns", "exec", name, program, ...args], { env: ENV });
      return stdout;
    },
    async remove() {
      for (const child of children) {
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }
      await ip("link", "del", link);
      await ip("netns", "del", name);
    },
  };
}
