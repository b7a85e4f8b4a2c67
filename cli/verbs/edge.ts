import type { Command } from "commander";
import { operationWords } from "../command-view.ts";
import { record } from "../output/table.ts";
import { duration, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { capacityText, isWindow, windowText } from "../windows/window-text.ts";
import { type PodState, stateLine } from "./status.ts";

type Edge = {
  edge?: string;
  contact?: { state?: string; last?: string | null; age?: number | null };
  windows?: { present?: unknown; next?: unknown; planned?: number } | null;
  held?: { since?: string } | null;
  lanes?: { name: string; held_since?: string | null }[];
  busy?: { since?: string; operation?: string; command_id?: string } | null;
  queued?: number;
  nodes?: { name: string; kind?: string; status: string }[];
  pods?: { pod_name: string; image?: string; node?: string; state?: PodState; age?: number }[];
};

/** `perigee edge`: what the ground knows of the edge without asking it. The operator's verbs are its subcommands. */
export function registerEdge(program: Command): void {
  program
    .command("edge")
    .description("show contact, nodes and your pods as the edge last reported them")
    .action(action<[], object>(edge));
}

async function edge({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/edge" });
  output.result(body, () => {
    const {
      edge,
      contact,
      windows,
      busy,
      queued,
      held,
      lanes = [],
      nodes = [],
      pods = [],
    } = (body.data ?? {}) as Edge;
    const what = busy?.operation
      ? `${operationWords(busy.operation)} of yours (${busy.command_id})`
      : "others' command";
    const parts = [
      record({
        edge,
        contact: contactLine(contact),
        ...(windows && { windows: windowsLine(windows) }),
        busy: busy ? `${what} since ${time(busy.since)}` : "no",
        queued,
        ...heldLine(held, lanes),
      }),
    ];
    if (nodes.length) {
      parts.push(
        output.table(
          ["NODE", "KIND", "READY"],
          nodes.map((node) => [node.name, node.kind, node.status]),
        ),
      );
    }
    if (pods.length) {
      const rows = pods.map((pod) => [
        pod.pod_name,
        pod.image,
        pod.node,
        pod.state && stateLine(pod.state),
        ago(pod.age),
      ]);
      parts.push(output.table(["POD", "IMAGE", "NODE", "STATE", "REPORTED"], rows, { cut: [1, 3] }));
    }
    return parts.join("\n\n");
  });
}

/** What the operator holds: the edge, or some of its lanes. */
function heldLine(held: Edge["held"], lanes: NonNullable<Edge["lanes"]>): { held?: string } {
  if (held) return { held: `by its operator since ${time(held.since)}` };
  const some = lanes.filter((lane) => lane.held_since);
  if (some.length === 0) return {};
  return { held: some.map(({ name, held_since }) => `lane ${name} since ${time(held_since)}`).join(", ") };
}

function contactLine(contact: Edge["contact"]): string {
  if (!contact?.last) return contact?.state ?? "unknown";
  return `${contact.state}, last ${time(contact.last)} (${ago(contact.age)})`;
}

/** `in a window until 20:50Z, for 4 min more (Svalbard; 9.4 KiB up); next window …; 12 planned` */
function windowsLine({ present, next, planned = 0 }: NonNullable<Edge["windows"]>): string {
  const shown = [present, next].filter(isWindow).map((window) => {
    const more = [window.station, capacityText(window)].filter(Boolean).join("; ");
    return `${windowText(window, Date.now())}${more && ` (${more})`}`;
  });
  return [...shown, `${planned} planned`].join("; ");
}

function ago(seconds: number | null | undefined): string {
  return typeof seconds === "number" ? `${duration(seconds * 1000)} ago` : "-";
}
