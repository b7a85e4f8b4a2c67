import { StringDecoder } from "node:string_decoder";

/** One line of the JSON stream with which the engine answers a build or a load. */
export type EngineEvent = {
  stream?: string;
  status?: string;
  error?: string;
  errorDetail?: { message?: string };
  aux?: { ID?: string };
};

const LINE_BYTES = 1024 * 1024;

/** The events of a build's or a load's answer, in order; a line that is no JSON object comes as `stream`. */
export async function* engineEvents(answer: AsyncIterable<unknown>): AsyncGenerator<EngineEvent> {
  const decoder = new StringDecoder("utf8");
  let text = "";
  for await (const chunk of answer) {
    text += decoder.write(chunk as Buffer);
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      const event = parse(text.slice(from, end));
      if (event) yield event;
      from = end + 1;
    }
    text = text.slice(from);
    if (text.length > LINE_BYTES) throw new Error("the engine sent a line that never ends");
  }
  const last = parse(text + decoder.end());
  if (last) yield last;
}

/** Collects text that comes in pieces into whole lines. */
export class LineJoiner {
  readonly #onLine: (line: string) => void;
  #partial = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop()!;
    for (const line of lines) this.#onLine(line);
    // a line without end is given in parts
    if (this.#partial.length > LINE_BYTES) this.end();
  }

  end(): void {
    if (this.#partial !== "") this.#onLine(this.#partial);
    this.#partial = "";
  }
}

function parse(line: string): EngineEvent | undefined {
  if (line.trim() === "") return undefined;
  try {
    const event: unknown = JSON.parse(line);
    if (typeof event === "object" && event !== null) return event as EngineEvent;
  } catch {
    // shown as it is
  }
  return { stream: `${line}\n` };
}
