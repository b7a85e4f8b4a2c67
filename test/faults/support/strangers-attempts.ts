import type { Client, RequestOptions } from "#test/contract/support/client.ts";

/** What somebody may try to name. */
export type Names = {
  pod: string;
  volume: string;
  file: string;
  image: string;
  imageId: string;
  command: string;
  /** an uplink in parts that is under way */
  upload: string;
  edge: string;
  user: string;
};

/** One try of a stranger's: every answer it gets, as text. */
type Attempt = (client: Client, names: Names, options?: RequestOptions) => Promise<string[]>;

/** Opens an uplink in parts of one byte. */
export const opening = (
  client: Client,
  { volume, file }: Pick<Names, "volume" | "file">,
  options: RequestOptions = {},
) =>
  client.json(
    "/uplinks",
    {
      pod_name: volume,
      files: [{ path: file, size: 1, checksum: "d24ec4f1a98c6e5b", crc32: ["e8b7be43"] }],
    },
    options,
  );

/** Status and body, which is all that a stranger gets to see. */
export async function told(answer: Promise<{ status: number; text: string }>): Promise<string> {
  const { status, text } = await answer;
  return `${status} ${text}`;
}

/** One request that says in its path what it means. */
const asking =
  (method: string, path: (names: Names) => string, content: RequestOptions = {}): Attempt =>
  async (client, names, options) => [
    await told(client.request(method, path(names), { ...options, ...content })),
  ];
const getting =
  (path: string, query: (names: Names) => Record<string, string>): Attempt =>
  async (client, names, options) => [await told(client.get(path, query(names), options))];
const posting =
  (path: string, ...fields: ((names: Names) => Record<string, string>)[]): Attempt =>
  async (client, names, options) => {
    const answers: string[] = [];
    for (const one of fields) answers.push(await told(client.form(path, one(names), options)));
    return answers;
  };
/** Reading routes answer POST as they answer GET. */
const both = (path: string, query: (names: Names) => Record<string, string>) => ({
  [`GET ${path}`]: getting(path, query),
  [`POST ${path}`]: posting(path, query),
});

/** What names the image of a user to somebody who guesses. */
const spellings = ({ image, imageId, user }: Names) => [
  image,
  `${user}-${image}`,
  `${user}-${image}:latest`,
  imageId,
  imageId.slice("sha256:".length, "sha256:".length + 12),
];

function downlinking(method: "GET" | "HEAD"): Attempt {
  return async (client, { volume, file, user }, options) => {
    const queries: Record<string, string>[] = [
      { filepath: file, pod_name: volume },
      { filepath: `../${volume}/${file}` },
      { filepath: `../../${user}/${volume}/${file}` },
      { filepath: `/${user}/${volume}/${file}` },
    ];
    const out: string[] = [];
    for (const query of queries) {
      const path = `/em/files/downlink?${new URLSearchParams(query)}`;
      out.push(await told(client.request(method, path, options)));
    }
    return out;
  };
}

/** Every route behind a token or a log-in, tried with somebody else's names. One that is missing here fails the first test. */
export const ATTEMPTS: Record<string, Attempt> = {
  "POST /auth/": posting("/auth/", ({ user }) => ({ username: user, password: "a guess" })),
  "POST /auth/refresh": posting("/auth/refresh", ({ user }) => ({ refresh: user })),
  ...both("/em/files/list", ({ volume }) => ({ pod_name: volume })),
  "GET /em/files/downlink": downlinking("GET"),
  "HEAD /em/files/downlink": downlinking("HEAD"),
  "POST /em/files/delete": posting(
    "/em/files/delete",
    ({ volume, file }) => ({ filepath: file, pod_name: volume }),
    ({ volume, file, user }) => ({ filepath: `../../${user}/${volume}/${file}` }),
  ),
  "POST /em/pod/image/build": async (client, names, options) => {
    const { volume, user } = names;
    const direct: Record<string, string>[] = [
      { dockerfile: "Dockerfile", context: ".", image: "mine", pod_name: volume },
      { dockerfile: "Dockerfile", context: `../../${user}/${volume}`, image: "mine" },
      { dockerfile: `../../${user}/${volume}/Dockerfile`, context: ".", image: "mine" },
    ];
    const out: string[] = [];
    for (const fields of direct) out.push(await told(client.form("/em/pod/image/build", fields, options)));
    for (const spelling of spellings(names)) {
      for (const text of [`FROM ${spelling}\n`, `FROM busybox\nCOPY --from=${spelling} / /\n`]) {
        await client.uplink({ Dockerfile: text }, { pod_name: "own" });
        const fields = { dockerfile: "Dockerfile", context: ".", image: "mine", pod_name: "own" };
        out.push(await told(client.form("/em/pod/image/build", fields, options)));
      }
    }
    return out;
  },
  "POST /em/pod/image/load": posting(
    "/em/pod/image/load",
    ({ volume, file, image }) => ({ tarfile: file, image, pod_name: volume }),
    ({ volume, file, image, user }) => ({ tarfile: `../../${user}/${volume}/${file}`, image }),
  ),
  ...both("/em/pod/image/list", () => ({})),
  "POST /em/pod/image/delete": async (client, names, options) => {
    const out: string[] = [];
    for (const image of spellings(names)) {
      out.push(await told(client.form("/em/pod/image/delete", { image }, options)));
    }
    return out;
  },
  "POST /em/pod/run": async (client, names, options) => {
    const out: string[] = [];
    for (const image of spellings(names)) {
      const fields = { image, max_duration: 1, node: "MPU", pod_name: "guess" };
      out.push(await told(client.form("/em/pod/run", fields, options)));
      if (!out.at(-1)!.startsWith("200")) continue;
      let state: string;
      do state = await told(client.get("/em/pod/status", { pod_name: "guess" }));
      while (state.includes("ContainerCreating"));
      out.push(state, await told(client.form("/em/pod/stop", { pod_name: "guess" })));
    }
    return out;
  },
  ...both("/em/pod/status", ({ pod }) => ({ pod_name: pod })),
  "POST /em/pod/stop": posting("/em/pod/stop", ({ pod }) => ({ pod_name: pod })),
  "GET /em/pod/logs": async (client, { pod }, options) => [
    await told(client.get("/em/pod/logs", { pod_name: pod }, options)),
    await told(client.get("/em/pod/logs", { pod_name: pod, previous: true }, options)),
    await told(client.get("/em/pod/logs", { pod_name: pod, follow: true }, options)),
  ],
  ...both("/em/nodes/status", () => ({})),
  ...both("/em/pvc/list", () => ({})),
  "POST /em/pvc/delete": posting("/em/pvc/delete", ({ volume }) => ({ pvc_name: volume })),
  "POST /pods/{pod}/exec": async (client, { pod }, options) => [
    await told(client.json(`/pods/${pod}/exec`, { command: ["cat", "/data/secret.txt"] }, options)),
  ],
  "POST /runners/{id}/exec": async (client, { command }, options) => [
    await told(client.json(`/runners/${command}/exec`, {}, options)),
  ],
  "GET /runners": getting("/runners", () => ({})),
  "GET /sessions": getting("/sessions", () => ({})),
  "GET /commands": getting("/commands", ({ command }) => ({ before: command })),
  "GET /commands/{id}": async (client, { command }, options) => [
    await told(client.get(`/commands/${command}`, {}, options)),
    await told(client.get(`/commands/${command}`, { wait: 1 }, options)),
  ],
  "GET /commands/{id}/content": asking("GET", ({ command }) => `/commands/${command}/content`),
  "GET /commands/{id}/log": asking("GET", ({ command }) => `/commands/${command}/log`),
  "DELETE /commands/{id}/content": asking("DELETE", ({ command }) => `/commands/${command}/content`),
  "POST /commands/{id}/cancel": asking("POST", ({ command }) => `/commands/${command}/cancel`),
  "POST /commands/{id}/hold": asking("POST", ({ command }) => `/commands/${command}/hold`),
  "POST /commands/{id}/release": asking("POST", ({ command }) => `/commands/${command}/release`),
  "GET /uplinks/{id}": asking("GET", ({ upload }) => `/uplinks/${upload}`),
  "POST /uplinks/{id}/parts": async (client, { upload }, options) => [
    await told(client.json(`/uplinks/${upload}/parts`, {}, options)),
  ],
  "POST /uplinks/{id}/complete": asking("POST", ({ upload }) => `/uplinks/${upload}/complete`),
  "GET /edge": async (client, _, options) => {
    const answer = await client.get("/edge", {}, options);
    if (answer.status !== 200) return [`${answer.status} ${answer.text}`];
    return [JSON.stringify(answer.json.data.pods.map(({ pod_name }: { pod_name: string }) => pod_name))];
  },
  "GET /edge/holdings": getting("/edge/holdings", () => ({})),
  "POST /uplinks/base": async (client, { volume, file }, options) => {
    const fields = { pod_name: volume, filepath: file };
    const { status, text, json } = await client.json("/uplinks/base", fields, options);
    if (status !== 202) return [`${status} ${text}`];
    const ended = await client.get(`/commands/${json.data.command_id}`, { wait: 30 });
    return [`${status}`, `${ended.json.data.state} ${JSON.stringify(ended.json.data.error)}`];
  },
  "GET /edges": getting("/edges", () => ({})),
  "GET /operator/edges": getting("/operator/edges", () => ({})),
  "GET /operator/edges/{edge}/queues": asking("GET", ({ edge }) => `/operator/edges/${edge}/queues`),
  "POST /operator/edges/{edge}/hold": asking("POST", ({ edge }) => `/operator/edges/${edge}/hold`),
  "POST /operator/edges/{edge}/release": asking("POST", ({ edge }) => `/operator/edges/${edge}/release`),
  "GET /operator/audit": getting("/operator/audit", () => ({})),
  "GET /edges/{edge}/windows": asking("GET", ({ edge }) => `/edges/${edge}/windows`),
  "PUT /edges/{edge}/windows": asking("PUT", ({ edge }) => `/edges/${edge}/windows`, { body: "[]" }),
  "POST /uplinks": async (client, { volume, file, user }, options) => {
    const own = await opening(client, { volume, file }, options);
    const out = [await told(opening(client, { volume, file: `../../${user}/${volume}/${file}` }, options))];
    // his own of that name is his own: it goes again
    if (own.status !== 201) return [...out, `${own.status} ${own.text}`];
    const cancelled = await client.request("POST", `/commands/${own.json.data.id}/cancel`, options);
    return [...out, `${cancelled.status}`];
  },
  // last: from here on the stranger has a volume of that name too, which is his own
  "POST /em/files/uplink": async (client, { volume, file, user }, options) => [
    await told(client.uplink({ [file]: "bob's" }, { pod_name: volume }, options)),
    await told(client.uplink({ x: "bob's" }, { dest_path: `../../${user}/${volume}` }, options)),
    await told(client.get("/em/files/downlink", { filepath: file, pod_name: volume }, options)),
    await told(client.form("/em/pvc/delete", { pvc_name: volume }, options)),
  ],
};
