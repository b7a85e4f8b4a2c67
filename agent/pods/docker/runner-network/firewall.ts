import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { rulesOf } from "./rules.ts";

const NFT_MS = 10_000;
const IFF_UP = 1;
/** Without these, frames between two ports of a bridge pass by the rules. */
const BRIDGED = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];

export type FirewallOptions = {
  /** name of the nftables table, which only this agent uses */
  table: string;
  /** name of the bridge's device */
  bridge: string;
  /** program that is given the arguments of nft (default `nft`) */
  nft?: string;
  /** default `/sys/class/net` and `/proc/sys/net/bridge` */
  devices?: string;
  bridged?: string;
};

/** The rules of one bridge: an nftables table of the agent's own, in the network name space of the agent. */
export class Firewall {
  readonly #options: Required<FirewallOptions>;
  /** as nft shows the table when it is as it was put */
  #shown: string | undefined;

  constructor(options: FirewallOptions) {
    this.#options = { nft: "nft", devices: "/sys/class/net", bridged: "/proc/sys/net/bridge", ...options };
  }

  /**
   * Sees to it that the table is there as it was put, and puts it where it is not.
   * @throws Error with what kept it from being there
   */
  async ensure(): Promise<void> {
    for (const name of BRIDGED) setTo1(`${this.#options.bridged}/${name}`);
    const { table, bridge } = this.#options;
    if (this.#shown !== undefined && (await this.#show().catch(() => undefined)) === this.#shown) return;
    await this.#nft(["-f", "-"], rulesOf(table, bridge));
    this.#shown = await this.#show();
  }

  /** @throws Error when the bridge is not on this machine, or in another network name space: no rule would hold there */
  async isHere(): Promise<void> {
    const { bridge, devices } = this.#options;
    try {
      readFileSync(`${devices}/${bridge}/flags`);
    } catch {
      throw new Error(`the bridge ${bridge} is not on this machine, or the agent is not in its network`);
    }
  }

  /** Takes the bridge down or up: nothing passes a bridge that is down. */
  setUp(up: boolean): void {
    const { bridge, devices } = this.#options;
    const path = `${devices}/${bridge}/flags`;
    const flags = Number(readFileSync(path, "utf8"));
    const wanted = up ? flags | IFF_UP : flags & ~IFF_UP;
    if (wanted !== flags) writeFileSync(path, `0x${wanted.toString(16)}`);
  }

  async remove(): Promise<void> {
    this.#shown = undefined;
    const { table } = this.#options;
    // made first, so that there is one to remove
    await this.#nft(["-f", "-"], `table inet ${table}\ndelete table inet ${table}\n`);
  }

  #show(): Promise<string> {
    return this.#nft(["-s", "list", "table", "inet", this.#options.table]);
  }

  #nft(args: string[], input?: string): Promise<string> {
    const { nft } = this.#options;
    const env = { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };
    return new Promise((resolve, reject) => {
      const child = execFile(nft, args, { env, timeout: NFT_MS }, (error, stdout, stderr) => {
        const told = stderr.trim().split("\n")[0] ?? "";
        if (error) reject(new Error(`nft: ${told || error.message}`, { cause: error }));
        else resolve(stdout);
      });
      // a program that is not there, or ends at once, reads nothing
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(input);
    });
  }
}

function setTo1(path: string): void {
  try {
    if (readFileSync(path, "utf8").trim() !== "1") writeFileSync(path, "1");
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
