import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { Answer, type Client } from "./client.ts";

export type RawUpload = {
  request: ClientRequest;
  /** Writes; resolves when the connection took it. */
  write(data: string | Uint8Array): Promise<void>;
  /** rejects when the connection ends without one */
  answer: Promise<Answer>;
  /** resolves when the other side asks for the body */
  asked: Promise<void>;
};

/** A POST whose body the test writes as it likes. Node adds no header of its own to `headers`. */
export function rawUpload(client: Client, path: string, headers: Record<string, string>): RawUpload {
  const url = new URL(client.url + path);
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const request = send(url, {
    method: "POST",
    headers: { authorization: `Bearer ${client.token}`, ...headers },
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", async (response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        const given = Object.entries(response.headers).map(([k, v]): [string, string] => [k, String(v)]);
        resolve(new Answer(response.statusCode!, new Headers(given), Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    });
  });
  answer.catch(() => {});
  const asked = new Promise<void>((resolve) => request.once("continue", resolve));
  request.flushHeaders();
  return {
    request,
    asked,
    answer,
    write: (data) =>
      new Promise((resolve, reject) => request.write(data, (error) => (error ? reject(error) : resolve()))),
  };
}
