import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to a request that a rule matches. */
export type Fault =
  /** it never reaches the server */
  | "request lost"
  /** the server does it, and of its answer not one byte comes back */
  | "answer lost"
  /** all of the answer comes back but its last byte, then the connection is cut */
  | "answer cut"
  /** the server gets it only after the test has called {@link FaultyProxy.release} */
  | "request held"
  /** the answer comes only after {@link FaultyProxy.release} */
  | "answer held";

type Rule = { match: RegExp; fault: Fault; times: number; every: number; count: number; met(): void };

/**
 * TCP between agent and ground that goes wrong on order. It looks at the first line of each request (an agent
 * never sends a second one before the answer of the first) and applies the first rule that matches it.
 */
export class FaultyProxy {
  /** request lines that came by, in order */
  readonly seen: string[] = [];
  /** those of them that had no answer yet when all connections were cut */
  readonly interrupted: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** the request of each connection that has no answer yet */
  readonly #open = new Map<Socket, string>();
  #target: { host: string; port: number };
  #rules: Rule[] = [];
  #held: (() => void)[] = [];
  #cut = false;
  #window: { bytes: number; left: number } | undefined;
  #sent = 0;

  private constructor(target: string) {
    const { hostname, port } = new URL(target);
    this.#target = { host: hostname, port: Number(port) };
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /**
   * The next `times` requests whose first line matches go wrong so, or of those only every n-th; resolves when
   * the last of them has.
   */
  fault(match: RegExp, fault: Fault, times = 1, every = 1): Promise<void> {
    return new Promise((met) => {
      this.#rules.push({ match, fault, times, every, count: 0, met });
    });
  }

  /** Lets everything that is held go on. */
  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  /** No contact at all: connections end, and new ones too, until {@link mend}. */
  cut(): void {
    this.#cut = true;
    this.#cutAll();
  }

  /** Cuts every connection each time so many more bytes have gone up: a contact window, and the next one at once. */
  cutEvery(bytes: number): void {
    this.#window = { bytes, left: bytes };
  }

  /** Bytes that have gone up to the server. */
  get sentUp(): number {
    return this.#sent;
  }

  mend(): void {
    this.#cut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }

  #serve(client: Socket): void {
    this.#sockets.add(client);
    client.once("close", () => {
      this.#sockets.delete(client);
      this.#open.delete(client);
    });
    client.on("error", () => {});
    if (this.#cut) return void client.destroy();
    const server = connect(this.#target);
    this.#sockets.add(server);
    server.once("close", () => this.#sockets.delete(server));
    server.on("error", () => client.destroy());
    let fault: Fault | undefined;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    client.on("data", (data) => {
      const line = /^(?:GET|POST|PUT) [^\r]* HTTP\/1\.1/.exec(data.toString("latin1"))?.[0];
      if (line) {
        this.seen.push(line);
        this.#open.set(client, line);
        fault = this.#take(line);
      }
      if (fault === "request lost") return end();
      this.#sent += data.length;
      if (this.#window) {
        this.#window.left -= data.length;
        if (this.#window.left <= 0) {
          this.#window.left = this.#window.bytes;
          // what is on its way still arrives, or does not: the server hears of an end
          this.#cutAll();
          return;
        }
      }
      if (fault === "request held" && line) {
        // what follows of the body waits behind its head
        server.cork();
        this.#hold(() => server.uncork());
      }
      server.write(data);
    });
    server.on("data", (data) => {
      this.#open.delete(client);
      if (fault === "answer lost") return end();
      if (fault === "answer cut") return void client.write(data.subarray(0, -1), end);
      if (fault === "answer held") return this.#hold(() => client.write(data));
      client.write(data);
    });
    client.once("close", () => server.destroy());
    server.once("close", () => client.destroy());
  }

  #cutAll(): void {
    this.interrupted.push(...this.#open.values());
    this.#open.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  #hold(go: () => void): void {
    this.#held.push(go);
  }

  #take(line: string): Fault | undefined {
    const matching = this.#rules.filter(({ match }) => match.test(line));
    for (const rule of matching) rule.count++;
    const rule = matching.find(({ count, every }) => count % every === 0);
    if (!rule) return undefined;
    if (--rule.times === 0) {
      this.#rules = this.#rules.filter((other) => other !== rule);
      rule.met();
    }
    return rule.fault;
  }
}
