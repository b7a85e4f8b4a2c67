/**
 * The peer of the transfer and round-trip measures, a process of its own: a bare Node server on the same
 * libraries. PUT /file pipes the body to FILE and fsyncs it, GET /file sends it, GET /commit makes one SQLite
 * commit with synchronous=FULL and answers a small JSON, GET /read the same with one read. Environment: BARE_DIRECTORY.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";

const directory = process.env.BARE_DIRECTORY ?? ".";
const file = join(directory, "bare.bin");

const db = new DatabaseSync(join(directory, "bare.sqlite"));
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS hits (at INTEGER)");
const insert = db.prepare("INSERT INTO hits (at) VALUES (?)");
const read = db.prepare("SELECT at FROM hits ORDER BY rowid DESC LIMIT 1");
const app = new Hono()
  .get("/commit", (c) => {
    insert.run(Date.now());
    return c.json({ message: "committed", data: [] });
  })
  .get("/read", (c) => c.json({ message: "read", data: read.get() ?? null }));
const listener = getRequestListener(app.fetch);

const server = createServer(async (request, response) => {
  if (request.url !== "/file") return listener(request, response);
  if (request.method === "PUT") {
    await pipeline(request, createWriteStream(file, { flush: true }));
    response.end();
  } else {
    await pipeline(createReadStream(file), response);
  }
});
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  console.log(JSON.stringify({ msg: "ready", url }));
});
process.on("SIGTERM", () => process.exit(0));
