import { setTimeout as sleep } from "node:timers/promises";
import { filesOf } from "#test/contract/unik/support/archive.ts";
import { type Answer, UnikClient } from "#test/contract/unik/support/client.ts";
import type { BenchStack } from "../bench-stack.ts";

/** UniK's API as the benchmark's user speaks it: every answer is as it must be, or it throws. */
export class UnikBench {
  readonly #client: UnikClient;

  private constructor(client: UnikClient) {
    this.#client = client;
  }

  /** @param compiler whose tools the edge has tried when this returns */
  static async open({ url, headers }: BenchStack, compiler: string): Promise<UnikBench> {
    const bench = new UnikBench(new UnikClient(`${url}/unik`, headers.authorization));
    while (!(await bench.get("available_compilers")).json.includes(compiler)) await sleep(200);
    return bench;
  }

  /** Makes an image of these files. @param compiler `<base>-<language>-<provider>` */
  async image(name: string, compiler: string, files: Record<string, string>): Promise<void> {
    const [base, lang, provider] = compiler.split("-");
    const path = `/images/${name}/create?provider=${provider}&base=${base}&lang=${lang}`;
    expectStatus(await this.#client.upload(path, await filesOf(files)), 201);
  }

  /** @returns the instance's Id */
  async run(image: string): Promise<string> {
    return expectStatus(await this.#client.post("/instances/run", { ImageName: image }), 201).json.Id;
  }

  async post(path: string, status = 200): Promise<void> {
    expectStatus(await this.#client.post(`/${path}`), status);
  }

  async get(path: string): Promise<Answer> {
    return expectStatus(await this.#client.get(`/${path}`), 200);
  }

  /** What an instance says, as it comes. */
  async *follow(id: string): AsyncGenerator<string> {
    const { body } = await this.#client.open("GET", `/instances/${id}/logs?follow=true`);
    for await (const piece of body!) yield Buffer.from(piece).toString();
  }

  /** Follows the log of an instance until it has said this. */
  async said(id: string, text: string): Promise<void> {
    let log = "";
    for await (const piece of this.follow(id)) {
      log += piece;
      if (log.includes(text)) return;
    }
    throw new Error(`the log ends without ${text}: ${log}`);
  }

  /** Where an instance is reached, once it runs. */
  async addressOf(id: string): Promise<string> {
    for (;;) {
      const { IpAddress } = (await this.get(`instances/${id}`)).json;
      if (IpAddress) return IpAddress;
      await sleep(50);
    }
  }

  async remove(path: string): Promise<void> {
    expectStatus(await this.#client.delete(`/${path}?force=true`), 204);
  }
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`${answer.status} in place of ${status}: ${answer.text}`);
  return answer;
}

export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
