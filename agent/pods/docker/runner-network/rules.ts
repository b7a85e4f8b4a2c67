import { FORBIDDEN_IPV4 } from "../../forbidden-ranges.ts";

/** After conntrack and translation of addresses, before the engine's own chains. */
const PRIORITY = -10;

/**
 * The nftables text that puts the table of a bridge in place, whatever was there before, in one transaction (pure). What
 * comes from the bridge goes to public addresses alone, and to the bridge goes what answers it or was let in at a mapped
 * port. To this machine, to whichever of its addresses, goes only what answers its own connections.
 */
export function rulesOf(table: string, bridge: string): string {
  const chain = (hook: string, rules: readonly string[]) => `
	chain ${hook} {
		type filter hook ${hook} priority ${PRIORITY}; policy accept;
		${rules.join("\n\t\t")}
	}`;
  const from = `iifname "${bridge}"`;
  const to = `oifname "${bridge}"`;
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
	set forbidden {
		type ipv4_addr
		flags interval
		elements = { ${FORBIDDEN_IPV4.join(", ")} }
	}
${chain("input", [`${from} ct direction reply ct state established accept`, `${from} drop`])}
${chain("forward", [
  // frames from one runner to another too, as bridge-nf-call-iptables has them come by
  `${from} ${to} drop`,
  `${from} ct direction reply ct state established accept`,
  `${from} meta nfproto ipv6 drop`,
  `${from} ip daddr @forbidden drop`,
  `${to} ct state established,related accept`,
  `${to} ct status dnat accept`,
  `${to} drop`,
])}
}
`;
}
