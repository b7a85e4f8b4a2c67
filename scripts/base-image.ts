import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { ensureImage, type TarEntry } from "./image-archive.ts";

const BUSYBOX = "/bin/busybox";
const CONFIG = { Env: ["PATH=/usr/local/bin:/bin:/sbin:/usr/bin:/usr/sbin"], Cmd: ["/bin/sh"] };

/**
 * Makes sure that the engine has a small busybox image called `tag`, made from this machine's static
 * busybox (Debian: busybox-static).
 * @returns the image's ID (`sha256:…`)
 */
export function makeBusyboxImage(docker: Docker, tag = "perigee-test/busybox:latest"): Promise<string> {
  return ensureImage(docker, tag, CONFIG, busyboxLayer);
}

async function busyboxLayer(): Promise<TarEntry[]> {
  const { stdout } = await promisify(execFile)(BUSYBOX, ["--list"]);
  const applets = stdout.split("\n").filter((name) => name !== "" && name !== "busybox");
  const directories = ["bin/", "etc/", "root/", "tmp/", "dev/", "proc/", "sys/", "usr/", "usr/bin/", "var/"];
  return [
    ...directories.map((name) => ({ name, mode: name === "tmp/" ? 0o1777 : 0o755 })),
    { name: "bin/busybox", content: await readFile(BUSYBOX), mode: 0o755 },
    ...applets.map((name) => ({ name: `bin/${name}`, linkname: "busybox" })),
    {
      name: "etc/passwd",
      content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    },
    { name: "etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
  ];
}
