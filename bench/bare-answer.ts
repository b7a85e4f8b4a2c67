import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";

/** A bare Hono route that gives one JSON text, which it reads from SQLite each time. @param scratch for its database */
export async function serveBareAnswer(scratch: string, text: string) {
  const db = new DatabaseSync(join(scratch, "bare.sqlite"));
  db.exec("CREATE TABLE answers (text TEXT)");
  db.prepare("INSERT INTO answers VALUES (?)").run(text);
  const read = db.prepare("SELECT text FROM answers");
  const app = new Hono().get("/answer", (c) => {
    return c.body(String(read.get()?.text), 200, { "content-type": "application/json" });
  });
  const server = createServer(getRequestListener(app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`,
    close() {
      server.close();
      db.close();
    },
  };
}
