import { lookup } from "node:dns/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { output, run, untilRunning } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

const SERVE =
  "trap 'exit 0' TERM; echo page > /tmp/index.html; hostname -i > /data/address; httpd -p 8080 -h /tmp; echo up; sleep 3600 & wait";
const server = named("n-server");
let client: Client;
let theirs: Client;
let address: string;

beforeAll(async () => {
  client = await user();
  theirs = await other();
  await run(client, server, { command: SERVE, ports: "[8080]" });
  await untilRunning(client, server);
  for (;;) {
    const { status, text } = await client.get("/em/files/downlink", {
      filepath: "address",
      pod_name: server,
    });
    address = text.trim();
    if (status === 200 && address !== "") break;
  }
});

// as long as it runs, its image's name is in use
afterAll(() => client.form("/em/pod/stop", { pod_name: server }));

/**
 * `get HOST PORT PATH` in a pod: the last line of what is there. A statically linked busybox may crash in its
 * resolver everywhere but in nslookup, so names are looked up apart, and wget is not used.
 */
const GET = [
  `look() { nslookup "$1" 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1; }`,
  `get() { a=$1; case $1 in [0-9]*) ;; *) a=$(look "$1");; esac; o=$(test -n "$a" && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$3" | timeout 5 nc -w 2 "$a" "$2" 2>/dev/null | tail -n 1); echo "\${o:-nothing}"; }`,
].join("; ");

/** What a pod gets from these places (`HOST PORT PATH`), all asked at once. */
async function tries(of: Client, pod: string, places: string[]): Promise<string[]> {
  const ask = places.map((place, i) => `(get ${place} > /tmp/${i}) &`).join(" ");
  const show = places.map((_, i) => `cat /tmp/${i}`).join("; ");
  await run(of, pod, { command: `${GET}; ${ask} wait; ${show}` });
  return (await output(of, pod)).trimEnd().split("\n");
}

/** The same of places that answer, asked again where the answer took longer than a try waits. */
async function reached(of: Client, pod: string, places: string[]): Promise<string[]> {
  for (let left = 20; ; left--) {
    const got = await tries(of, pod, places);
    if (left === 0 || !got.includes("nothing")) return got;
  }
}

describe("pods of one user", () => {
  it("reach each other by pod_name on the ports", async () => {
    expect(await reached(client, named("n-client"), [`${server} 8080 /`])).toEqual(["page"]);
  });

  it("reach each other although neither was there when the other began", async () => {
    const late = named("n-late");
    const waiting = named("n-waiting");
    const command = `${GET}; for i in $(seq 40); do test "$(get ${late} 8080 /)" = page && echo found && exit 0; sleep 0.5; done; exit 1`;
    await run(client, waiting, { command });
    await untilRunning(client, waiting);
    await run(client, late, { command: SERVE, ports: [8080] });
    expect(await output(client, waiting)).toBe("found\n");
    await client.form("/em/pod/stop", { pod_name: late });
  });
});

describe("nothing else", () => {
  it("is reached by another user's pods, by name or address", async () => {
    const places = [`${server} 8080 /`, `${address} 8080 /`];
    expect(await tries(theirs, named("n-spy"), places)).toEqual(["nothing", "nothing"]);
    expect(await reached(client, named("n-friend"), places)).toEqual(["page", "page"]);
  });

  it("is in the way of two users' pods of one name", async () => {
    await run(theirs, server, { command: SERVE.replace("page", "their page"), ports: "[8080]" });
    await untilRunning(theirs, server);
    expect(await reached(theirs, named("n-own"), [`${server} 8080 /`])).toEqual(["their page"]);
    expect(await reached(client, named("n-own"), [`${server} 8080 /`])).toEqual(["page"]);
    await theirs.form("/em/pod/stop", { pod_name: server });
  });

  it("is reached outside: no host, no cloud, no internet, no names", async () => {
    const { hostname, port } = new URL(target.url);
    const ground = (await lookup(hostname)).address;
    const gateway = address.replace(/\.\d+$/, ".1");
    const own = port || (new URL(target.url).protocol === "https:" ? "443" : "80");
    const places = [
      "1.1.1.1 80 /",
      "example.com 80 /",
      "169.254.169.254 80 /latest/meta-data/",
      `${gateway} ${own} /healthz`,
      `${gateway} 2375 /version`,
      `172.17.0.1 ${own} /healthz`,
      `${ground} ${own} /healthz`,
    ];
    expect(await tries(client, named("n-out"), places)).toEqual(places.map(() => "nothing"));
  });

  it("is given away by the pod's environment and devices", async () => {
    const pod = named("n-env");
    await run(client, pod, { command: "env; ls /dev; ls /data" });
    const said = await output(client, pod);
    expect(said).not.toMatch(/PERIGEE|DOCKER|TOKEN|AWS_|KUBERNETES_\w+=./i);
    expect(said).not.toMatch(/^(?:sd[a-z]\d?|vd[a-z]\d?|nvme.*|mem|kmsg|docker\.sock)$/m);
  });
});
