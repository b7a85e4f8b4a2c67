export type ServerEvent = { event: string; data: string };

/** Reads server-sent events out of pieces of text, wherever those are cut. */
export class ServerEvents {
  #rest = "";

  push(text: string): ServerEvent[] {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => {
      const fields = block.split("\n").map((line) => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon), line.slice(colon + 2)] as const;
      });
      const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
      const event = fields.find(([name]) => name === "event")?.[1] ?? "message";
      return data.length > 0 ? [{ event, data: data.join("\n") }] : [];
    });
  }
}
