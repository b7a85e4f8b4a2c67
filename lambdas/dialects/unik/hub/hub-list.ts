import { isIP } from "node:net";
import { commaList } from "#protocol/comma-list.ts";

/** A host that the operator lets hubs be at. */
export type ListedHost = {
  /** lower-case, IPv6 in brackets, as URLs have it */
  host: string;
  port: number;
  /** its addresses that may be connected to although they are internal */
  internal: string[];
};

const HOST = /^(?:[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])$/;

/**
 * The hosts of a list `host[:port][=address[+address…]]`, joined by commas: the port is 443 unless it is told, and the
 * addresses are those of the host's that may be internal. A host that is an address names itself. Pure.
 * @throws Error that names the item that is none
 */
export function readHubList(text: string | undefined): ListedHost[] {
  return commaList(text).map((item) => {
    const [at = "", ...more] = item.split("=");
    const url = URL.parse(`https://${at.toLowerCase()}`);
    const internal = more.flatMap((addresses) => addresses.split("+"));
    // what a URL would read into it, a path or a log-in, is no part of a host
    const isHost = url !== null && url.href === `https://${url.host}/` && !/[/?#@\\\s]/.test(at);
    if (!isHost || !HOST.test(url.hostname) || more.length > 1 || !internal.every((one) => isIP(one) !== 0)) {
      throw new Error(`names ${JSON.stringify(item)}: an item is host[:port][=address[+address...]]`);
    }
    const name = url.hostname.replace(/^\[|\]$/g, "");
    return {
      host: url.hostname,
      port: url.port === "" ? 443 : Number(url.port),
      internal: isIP(name) ? [...internal, name] : internal,
    };
  });
}
