import { describe, expect, test } from "vitest";
import { RawConnection } from "../../support/raw-http.ts";
import { KabutoClient } from "./support/client.ts";
import { me, target } from "./support/session.ts";
import { pipeline } from "./support/work.ts";

/** Requests as clients of 2013, and odd ones, write them: bytes on a connection. */
const { hostname, port, host } = new URL(target.url);
const cookie = `Cookie: ${target.user.cookie}\r\n`;

async function raw(
  head: string,
  body: string | Buffer = "",
): Promise<{ status: number; body: string; head: string }> {
  const connection = await RawConnection.open(Number(port));
  try {
    await connection.write(Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]));
    await connection.untilClosed();
    // an interim answer comes before the answer
    const text = connection.text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "");
    const at = text.indexOf("\r\n\r\n");
    const [first = "", answered] = [text.slice(0, at), text.slice(at + 4)];
    return { status: Number(first.split(" ")[1]), head: first, body: answered };
  } finally {
    connection.close();
  }
}

const FORM = "Content-Type: application/x-www-form-urlencoded\r\n";
const CLOSE = "Connection: close\r\n";

async function nameOf(answer: { body: string }): Promise<string> {
  const id = /\{"id":(\d+)\}/.exec(answer.body)?.[1];
  if (id === undefined) throw new Error(answer.body);
  return (await me.get(`/pipeline/${id}`))[id].name;
}

describe.skipIf(hostname !== "127.0.0.1" || !target.url.startsWith("http:"))("on one connection", () => {
  test("HTTP/1.0 without Host and without a length of the answer", async () => {
    const answer = await raw(`GET /jobs HTTP/1.0\r\n${cookie}\r\n`);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual(expect.any(Object));
  });

  test("curl's Expect: 100-continue", async () => {
    const body = "name=expected";
    const head = `POST /pipeline HTTP/1.1\r\nUser-Agent: curl/7.29.0\r\nHost: ${host}\r\nAccept: */*\r\n${cookie}${FORM}${CLOSE}Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`;
    expect(await nameOf(await raw(head, body))).toBe("expected");
  });

  test("a form over 2 GiB is 413 before it is sent", async () => {
    const of = await pipeline(me);
    for (const path of ["/image", `${of}/job`]) {
      const type = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 2200000000\r\n";
      const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${cookie}${type}Expect: 100-continue\r\n\r\n`;
      const connection = await RawConnection.open(Number(port));
      await connection.write(head);
      const [, status, body] = await connection.until(/^HTTP\/1\.1 (\d+) [\s\S]*?\r\n\r\n(\{.*\})$/);
      connection.close();
      expect([status, JSON.parse(body!)], path).toEqual([
        "413",
        { status: 413, message: "Request Entity Too Large" },
      ]);
    }
  });

  test("a chunked multipart form without a length", async () => {
    const form = '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nchunked\r\n--b--\r\n';
    const body = `${form.length.toString(16)}\r\n${form}\r\n0\r\n\r\n`;
    const head = `POST /pipeline HTTP/1.1\r\nHost: ${host}\r\n${cookie}${CLOSE}Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await nameOf(await raw(head, body))).toBe("chunked");
  });

  test("an absolute URI in the request line, bytes beyond ASCII in it, a charset on the form", async () => {
    const start = (line: string, type = FORM) =>
      `${line} HTTP/1.1\r\nHost: ${host}\r\n${cookie}${CLOSE}${type}Content-Length: 0\r\n\r\n`;
    expect((await raw(start(`GET ${target.url}/jobs`))).status).toBe(200);
    expect(await nameOf(await raw(start(`POST ${target.url}/pipeline?name=absolute`)))).toBe("absolute");
    // Node's parser takes no such target, whatever the route
    expect((await raw(start("POST /pipeline?name=a\xffb"))).status).toBe(400);
    const type = "content-type: Application/X-WWW-Form-Urlencoded;charset=ISO-8859-1\r\n";
    const body = Buffer.from("name=\xfc", "latin1");
    const head = start("POST /pipeline", type).replace("Content-Length: 0", `Content-Length: ${body.length}`);
    expect(await nameOf(await raw(head, body))).toBe("\ufffd");
  });

  test("a method in lower case is none that a route has", async () => {
    const { status } = await raw(`get /jobs HTTP/1.1\r\nHost: ${host}\r\n${cookie}${CLOSE}\r\n`);
    // Node's parser takes none
    expect(status).toBe(400);
  });
});

const multipart = (path: string, body: Buffer) =>
  me.send("POST", path, {
    body: new Uint8Array(body),
    headers: { "content-type": "multipart/form-data; boundary=b" },
  });
const part = (disposition: string, content: string, encoding: BufferEncoding = "utf8") =>
  Buffer.from(`--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`, encoding);
const END = Buffer.from("--b--\r\n");

test("a multipart form: text that is not UTF-8, duplicates, no parts at all", async () => {
  const lossy = await multipart("/pipeline", Buffer.concat([part('name="name"', "a\xffb", "latin1"), END]));
  expect((await me.get(`/pipeline/${lossy.json.id}`))[lossy.json.id].name).toBe("a\ufffdb");
  const twice = await multipart(
    "/pipeline",
    Buffer.concat([part('name="name"', "1"), part('name="name"', "2"), END]),
  );
  expect((await me.get(`/pipeline/${twice.json.id}`))[twice.json.id].name).toBe("1");
  const none = await multipart("/pipeline", END);
  expect([none.status, none.json.message]).toEqual([400, expect.stringMatching(/^\[name\]: Missing/)]);
});

test("file names in latin-1 and filename*; text fields and empty names among attachments are ignored", async () => {
  const of = await pipeline(me);
  const image = String(target.user.image);
  const answer = await multipart(
    `${of}/job`,
    Buffer.concat([
      part('name="attachments"; filename="l\xe4tin"', "1", "latin1"),
      part("name=\"attachments\"; filename*=utf-8''%C3%BC", "2"),
      part('name="attachments"; filename=""', ""),
      part('name="attachments"', "a text"),
      part('name="else"; filename="x"', "ignored"),
      part('name="image_id"', image),
      part('name="command"', "ls /inbox"),
      END,
    ]),
  );
  expect(answer.json).toEqual({ id: expect.any(Number) });
  await me.post(`${of}/submit`);
  const { id } = answer.json;
  await me.until(`${of}/job/${id}`, (all) => ["done", "failed"].includes(all[id].state));
  const rows = (await me.get(`/execution/${id}/logs`)) as { logline: string }[];
  expect(rows).toHaveLength(2);
});

test("a cookie in quotes is the same cookie", async () => {
  const quoted = target.user.cookie.replace("=", '="').concat('"');
  const answer = await new KabutoClient(target.url).send("GET", "/", { headers: { cookie: quoted } });
  expect([answer.status, answer.json]).toEqual([200, { hello: "world" }]);
});

test("of two files of one name the later one counts; a file where another has a directory is refused", async () => {
  const of = await pipeline(me);
  const file = (name: string, content: string) => part(`name="attachments"; filename="${name}"`, content);
  const image_id = part('name="image_id"', String(target.user.image));
  const command = part('name="command"', "cat /inbox/d/a");
  const twice = await multipart(
    `${of}/job`,
    Buffer.concat([file("d/a", "first"), image_id, command, file("d/a", "second"), END]),
  );
  const { id } = twice.json;
  const message = '[attachments]: "d" cannot be both a file and a directory';
  const both = Buffer.concat([file("d", "x"), file("d/a", "x"), image_id, part('name="name"', "x"), END]);
  for (const path of [`${of}/job`, "/image"]) {
    const answer = await multipart(path, both);
    expect([answer.status, answer.json], path).toEqual([400, { message }]);
  }
  const inDockerfile = { name: "x", dockerfile: `FROM ${target.base}\n` };
  expect(await me.upload("/image", inDockerfile, { "Dockerfile/x": "x" })).toEqual({
    message: '[attachments]: "Dockerfile" cannot be both a file and a directory',
  });
  // also where the job has the other one already
  expect(await me.upload(`${of}/job/${id}`, {}, { d: "x" }, "PUT")).toEqual({ message });
  await me.post(`${of}/submit`);
  await me.until(`${of}/job/${id}`, (all) => ["done", "failed"].includes(all[id].state));
  expect(await me.get(`/execution/${id}/logs`)).toMatchObject([{ logline: "second" }]);
});

test("file names that lead elsewhere are refused", async () => {
  const of = await pipeline(me);
  const deep = `${"d".repeat(200)}/`.repeat(21);
  for (const name of ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "x".repeat(256), `${deep}x`]) {
    const body = Buffer.concat([part(`name="attachments"; filename="${name}"`, "x"), END]);
    const answer = await multipart(`${of}/job`, body);
    expect([answer.status, answer.json.message], name).toEqual([
      400,
      expect.stringMatching(/^\[attachments\]: /),
    ]);
  }
});
