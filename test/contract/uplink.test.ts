import { beforeAll, describe, expect, it } from "vitest";
import { blobOf, type Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { list, paths } from "./support/listing.ts";
import { fileOf, output, run } from "./support/pods.ts";
import { rawUpload } from "./support/raw-upload.ts";
import { named, user } from "./support/session.ts";

let client: Client;
let volumes = 0;
const fresh = () => named(`up${++volumes}`);

const GiB = 1024 ** 3;
const ok = (file_count: number, total_size_kb: number) => ({
  message: "Successfully uplinked files",
  data: { file_count, total_size_kb },
});
const NO_FILES = { error: "NO_FILES", message: "No files were provided for uplink!" };

beforeAll(async () => {
  client = await user();
});

describe("success", () => {
  it("tells count and size", async () => {
    const volume = fresh();
    const answer = await client.uplink(
      { "a.bin": new Uint8Array(1000), "b.bin": new Uint8Array(234) },
      { pod_name: volume },
    );
    expectOk(answer, ok(2, 1.21));
    expect(await paths(client, volume)).toEqual(["a.bin", "b.bin"]);
    expect(await fileOf(client, volume, "a.bin")).toEqual(Buffer.alloc(1000));
  });

  it("takes empty files and binary ones as they are", async () => {
    const volume = fresh();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7919) % 256);
    expectOk(await client.uplink({ empty: "", bytes }, { pod_name: volume }), ok(2, 68.36));
    expect(await fileOf(client, volume, "empty")).toEqual(Buffer.alloc(0));
    expect(Buffer.compare(await fileOf(client, volume, "bytes"), bytes)).toBe(0);
  });

  it("rounds to two decimals", async () => {
    expectOk(await client.uplink({ a: "12345" }, { pod_name: fresh() }), ok(1, 0));
    expectOk(await client.uplink({ a: "x".repeat(11) }, { pod_name: fresh() }), ok(1, 0.01));
    expectOk(await client.uplink({ a: new Uint8Array(1536) }, { pod_name: fresh() }), ok(1, 1.5));
  });

  it("takes parts in any order, and ignores fields that nobody knows", async () => {
    const volume = fresh();
    const form = new FormData();
    form.append("files", blobOf("first"), "first.txt");
    form.append("unknown", "x");
    form.append("dest_path", "./in/here/");
    form.append("files", blobOf("second"), "second.txt");
    form.append("pod_name", volume);
    expectOk(await client.request("POST", "/em/files/uplink", { body: form }), ok(2, 0.01));
    expect(await paths(client, volume)).toEqual(["in/here/first.txt", "in/here/second.txt"]);
  });

  it("makes dest_path and the directories in a file's name", async () => {
    const volume = fresh();
    await client.uplink({ "src/lib/a.c": "1", "./b.c": "2" }, { pod_name: volume, dest_path: "x/./y" });
    await client.uplink({ "src/../c.c": "3" }, { pod_name: volume, dest_path: "" });
    expect(await paths(client, volume)).toEqual(["c.c", "x/y/b.c", "x/y/src/lib/a.c"]);
  });

  it("replaces a file whole", async () => {
    const volume = fresh();
    await client.uplink({ "a.txt": "a long first content" }, { pod_name: volume });
    await client.uplink({ "a.txt": "short" }, { pod_name: volume });
    expect((await fileOf(client, volume, "a.txt")).toString()).toBe("short");
  });

  it("keeps names of any alphabet, and with quotes and blanks", async () => {
    const volume = fresh();
    const names = ["Überblick 漢字 🛰.txt", "with 'quotes' and blanks.txt", "100%25.txt"];
    await client.uplink(Object.fromEntries(names.map((name) => [name, name])), { pod_name: volume });
    expect(await paths(client, volume)).toEqual(names.toSorted());
    for (const name of names) expect((await fileOf(client, volume, name)).toString()).toBe(name);
  });

  it("takes a thousand files in one call", async () => {
    const volume = fresh();
    const files = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, `${i}`]));
    expect((await client.uplink(files, { pod_name: volume })).json.data.file_count).toBe(1000);
    expect(await list(client, volume)).toHaveLength(1000);
  });

  it("leaves files that any user id of a pod can read, write and execute", async () => {
    const volume = fresh();
    await client.uplink({ "bin/go.sh": "#!/bin/sh\nid -u\n", "in.txt": "in\n" }, { pod_name: volume });
    const script =
      "su -s /bin/sh nobody -c '/data/bin/go.sh; cat /data/in.txt; echo more >> /data/in.txt; echo new > /data/bin/new'";
    await run(client, volume, { command: script });
    const said = await output(client, volume);
    expect(said).toMatch(/^[1-9]\d*\nin\n$/);
    expect((await fileOf(client, volume, "in.txt")).toString()).toBe("in\nmore\n");
    expect((await fileOf(client, volume, "bin/new")).toString()).toBe("new\n");
  });

  it("honours Expect: 100-continue", { tags: ["server"] }, async () => {
    const volume = fresh();
    const body = multipart("b", [field("pod_name", volume), file("a.txt", "asked for")]);
    const { request, asked, answer } = rawUpload(client, "/em/files/uplink", {
      "content-type": "multipart/form-data; boundary=b",
      "content-length": String(body.length),
      expect: "100-continue",
    });
    await asked;
    request.end(body);
    expectOk(await answer, ok(1, 0.01));
  });
});

describe("no files", () => {
  it.each<[string, () => ReturnType<Client["request"]>]>([
    ["a form without files", () => client.form("/em/files/uplink", { pod_name: "x" })],
    ["an empty form", () => client.form("/em/files/uplink", {})],
    ["no body", () => client.request("POST", "/em/files/uplink")],
    ["a url-encoded form", () => client.encoded("/em/files/uplink", { files: "a" })],
    ["JSON", () => client.json("/em/files/uplink", { files: ["a"] })],
    ["files as texts", () => client.form("/em/files/uplink", { files: ["./a", "./b"] })],
    [
      "bare bytes",
      () =>
        client.request("POST", "/em/files/uplink", {
          headers: { "content-type": "application/octet-stream" },
          body: "abc",
        }),
    ],
  ])("%s", async (_what, send) => {
    const answer = await send();
    expect({ status: answer.status, body: answer.json }).toEqual({ status: 400, body: NO_FILES });
  });
});

describe("too large", () => {
  const TOO_LARGE = { error: "MAX_UPLINK_SIZE_EXCEEDED", message: "Total upload size exceeds 2 GB" };

  it("is refused unread when its length tells so", { tags: ["server"] }, async () => {
    const { request, answer } = rawUpload(client, "/em/files/uplink", {
      "content-type": "multipart/form-data; boundary=b",
      "content-length": String(2 * GiB + 16 * 1024 ** 2 + 1),
    });
    const { status, json } = await answer;
    request.destroy();
    expect({ status, json }).toEqual({ status: 400, json: TOO_LARGE });
  });

  it("is refused without asking for the body, too", { tags: ["server"] }, async () => {
    const { request, asked, answer } = rawUpload(client, "/em/files/uplink", {
      "content-type": "multipart/form-data; boundary=b",
      "content-length": String(3 * GiB),
      expect: "100-continue",
    });
    const first = await Promise.race([asked.then(() => "asked"), answer.then(() => "answered")]);
    expect(first).toBe("answered");
    expect((await answer).json).toEqual(TOO_LARGE);
    request.destroy();
  });
});

describe("paths out of the volume", () => {
  it.each<[string, Record<string, string>, Record<string, string>]>([
    ["dest_path ..", { "a.txt": "a" }, { dest_path: ".." }],
    ["dest_path that climbs", { "a.txt": "a" }, { dest_path: "x/../../y" }],
    ["dest_path that is absolute", { "a.txt": "a" }, { dest_path: "/etc" }],
    ["a file name that climbs", { "../a.txt": "a" }, {}],
    ["a file name that climbs over dest_path", { "../../a.txt": "a" }, { dest_path: "x" }],
    ["an absolute file name", { "/etc/a.txt": "a" }, {}],
  ])("%s: 403, and nothing of the call arrives", async (_what, files, fields) => {
    const volume = fresh();
    const answer = await client.uplink({ "good.txt": "good", ...files }, { pod_name: volume, ...fields });
    expectRefusal(answer, 403, "ILLEGAL_PATH");
    expect(await paths(client, volume)).toEqual([]);
  });

  it("a link that leads out: 403, and nothing of the call arrives", async () => {
    const volume = fresh();
    await run(client, volume, {
      command: "ln -s /etc /data/out; ln -s ../.. /data/up; ln -s /tmp/x /data/f",
    });
    await output(client, volume);
    for (const dest_path of ["out", "up", "out/deeper"]) {
      const answer = await client.uplink({ "good.txt": "g" }, { pod_name: volume, dest_path });
      expectRefusal(answer, 403, "ILLEGAL_PATH");
    }
    expect(await paths(client, volume)).toEqual(["f", "out", "up"]);
  });

  it("a link as the file itself: 403, and nothing is written through it", async () => {
    const volume = fresh();
    await client.uplink({ "target.txt": "target" }, { pod_name: volume });
    await run(client, volume, { command: "ln -s target.txt /data/link; ln -s /tmp/x /data/out" });
    await output(client, volume);
    for (const name of ["link", "out"]) {
      const answer = await client.uplink({ "good.txt": "g", [name]: "new" }, { pod_name: volume });
      expectRefusal(answer, 403, "ILLEGAL_PATH");
    }
    expect(await paths(client, volume)).toEqual(["link", "out", "target.txt"]);
    expect((await fileOf(client, volume, "target.txt")).toString()).toBe("target");
  });
});

describe("all or none", () => {
  it("a file where a directory would have to be refuses the whole call", async () => {
    const volume = fresh();
    await client.uplink({ taken: "file", "dir/x": "x" }, { pod_name: volume });
    const calls: Record<string, string>[] = [
      { "good.txt": "g", "taken/a": "a" },
      { "good.txt": "g", dir: "file now" },
    ];
    for (const files of calls) {
      const answer = await client.uplink(files, { pod_name: volume });
      expect(answer.status).toBe(400);
      expectRefusal(answer, 400, answer.json.error);
    }
    expect(await paths(client, volume)).toEqual(["dir/x", "taken"]);
  });

  it("a client that stops half way leaves nothing", { tags: ["server"] }, async () => {
    const volume = fresh();
    const { request, write } = rawUpload(client, "/em/files/uplink", {
      "content-type": "multipart/form-data; boundary=b",
      "content-length": "1000000",
    });
    const whole = multipart("b", [
      field("pod_name", volume),
      file("whole.txt", "whole"),
      file("half.txt", "x"),
    ]);
    await write(whole.subarray(0, whole.length - 10));
    request.destroy();
    expect(await paths(client, volume)).toEqual([]);
  });

  it("a body that ends early is 400", async () => {
    const volume = fresh();
    const whole = multipart("b", [field("pod_name", volume), file("whole.txt", "whole")]);
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const body = whole.subarray(0, whole.length - 8);
    expectRefusal(
      await client.request("POST", "/em/files/uplink", { headers, body }),
      400,
      "INVALID_PARAMETERS",
    );
    expect(await paths(client, volume)).toEqual([]);
  });

  it("fields that break their rule are named", async () => {
    expectInvalid(await client.uplink({ a: "a" }, { pod_name: "Not_A_Label" }), "pod_name");
    expectInvalid(await client.uplink({ a: "a" }, { pvc_name: "-x" }), "pvc_name");
  });
});

const field = (name: string, value: string) =>
  `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, content: string) =>
  `Content-Disposition: form-data; name="files"; filename="${name}"\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`;

function multipart(boundary: string, parts: string[]): Buffer {
  return Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part}`).join("")}--${boundary}--\r\n`);
}
