import type { Answer, Client, RequestOptions } from "./client.ts";
import { target } from "./session.ts";

export type Route = {
  path: string;
  methods: readonly ("GET" | "HEAD" | "POST")[];
  /** what the ground knows by itself takes no lock */
  lock: boolean;
  /** A request that is right in itself, about things called `name` that do not exist. */
  call(client: Client, name: string, options?: RequestOptions): Promise<Answer>;
};

const GET = ["GET"] as const;
const GET_AND_HEAD = ["GET", "HEAD"] as const;
const POST = ["POST"] as const;
const BOTH = ["GET", "POST"] as const;

const reading = (path: string, methods: Route["methods"], lock = true): Route => ({
  path,
  methods,
  lock,
  call: (client, name, options) => client.get(path, { pod_name: name, filepath: name }, options),
});

const posting = (path: string, fields: (name: string) => Record<string, string>): Route => ({
  path,
  methods: POST,
  lock: true,
  call: (client, name, options) => client.form(path, fields(name), options),
});

/** Every route of the EM API. */
export const EM_ROUTES: readonly Route[] = [
  {
    path: "/em/files/uplink",
    methods: POST,
    lock: true,
    call: (client, name, options) => client.uplink({ "a.txt": "a" }, { pod_name: name }, options),
  },
  reading("/em/files/list", BOTH),
  reading("/em/files/downlink", GET_AND_HEAD),
  posting("/em/files/delete", (name) => ({ filepath: name, pod_name: name })),
  posting("/em/pod/image/build", (name) => ({
    dockerfile: `${name}/Dockerfile`,
    context: name,
    image: name,
    pod_name: name,
  })),
  posting("/em/pod/image/load", (name) => ({ tarfile: `${name}.tar`, image: name, pod_name: name })),
  reading("/em/pod/image/list", BOTH),
  posting("/em/pod/image/delete", (name) => ({ image: name })),
  posting("/em/pod/run", (name) => ({
    image: target.image,
    max_duration: "1",
    node: "MPU",
    command: "true",
    pod_name: name,
  })),
  reading("/em/pod/status", BOTH),
  posting("/em/pod/stop", (name) => ({ pod_name: name })),
  reading("/em/pod/logs", GET, false),
  reading("/em/nodes/status", BOTH),
  reading("/em/pvc/list", BOTH),
  posting("/em/pvc/delete", (name) => ({ pvc_name: name })),
];
