import Docker from "dockerode";
import { checkedPath } from "../checked-path.ts";
import { type Asked, exchange, type Meant, type Told } from "./engine-exchange.ts";

/** What of docker-modem is replaced here. */
type Modem = {
  protocol: string;
  dial(meant: Meant, told: Told): void;
  buildRequest(asked: Asked, meant: Meant, body: unknown, told: Told): void;
};

/**
 * The engine of the environment (`DOCKER_HOST`, else the usual socket), or the one that `options` name. Nobody else
 * is ever asked: a path with anything but plain names in it is not sent (IllegalPath), and a redirect is an
 * error. dockerode's own client follows redirects to any host, and an error there has no listener.
 * @param answerMs deadline of calls that only ask (default 3 min)
 */
export function openEngine(options?: Docker.DockerOptions, answerMs?: number): Docker {
  const docker = new Docker(options);
  const modem = docker.modem as unknown as Modem;
  if (modem.protocol !== "http" && modem.protocol !== "https") {
    throw new Error(`DOCKER_HOST: ${modem.protocol} is not supported; use a socket or TCP`);
  }
  const dial = modem.dial.bind(modem);
  modem.dial = (meant, told) => {
    try {
      // dockerode marks requests with a query by a `?` at the end, and escapes what it puts after it
      checkedPath(meant.path.replace(/\?$/, ""));
      dial(meant, told);
    } catch (error) {
      told(error, null);
    }
  };
  modem.buildRequest = (asked, meant, body, told) =>
    exchange(modem.protocol, asked, meant, body, told, answerMs);
  return docker;
}
